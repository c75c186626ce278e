import { parseDuration, z } from '#core/api.js';
import { secretKey } from './signature.js';

const SECRET = "expected 'whsec_' and 24 to 64 bytes in base64";
const MAX_TIMEOUT_MS = 300_000;

/** Headers that the sender, HTTP or the connection sets, and no rule may. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
]);

const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'expected the name of an HTTP header')
  .refine(name => !name.toLowerCase().startsWith('webhook-') && !OWN_HEADERS.has(name.toLowerCase()), 'this header is set by the hub');

const headerValue = z
  .string()
  .regex(/^[\t\x20-\x7e]{0,4096}$/, 'expected printable ASCII on one line')
  .meta({ secret: true });

/** What a rule's webhook action says. */
export const webhookOptions = z.strictObject({
  url: z
    .string()
    .max(2048)
    .refine(isPlainHttpUrl, 'expected a URL with http or https, without user name and password')
    .describe('Where events are sent by POST'),
  secret: z
    .string()
    .refine(text => secretKey(text) !== undefined, SECRET)
    .meta({ secret: true })
    .describe('Signs each request as Standard Webhooks'),
  previousSecret: z
    .string()
    .refine(text => secretKey(text) !== undefined, SECRET)
    .optional()
    .meta({ secret: true })
    .describe('Signs beside `secret` while receivers change over'),
  previousSecretUntil: z.int().optional().describe('When `previousSecret` stops signing, in milliseconds since 1970'),
  timeout: z
    .union([z.string(), z.number()])
    .transform((value, context) => {
      const timeoutMs = typeof value === 'number' ? value : parseDuration(value);
      if (timeoutMs !== undefined && timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS) return timeoutMs;
      context.addIssue({ code: 'custom', message: "expected a duration of at most 5 minutes, such as '15s'" });
      return z.NEVER;
    })
    .optional()
    .describe('The longest time for one request, answer included; `outbound.timeout` unless set'),
  concurrency: z
    .int()
    .min(1)
    .max(1_000)
    .optional()
    .describe('How many requests are under way at the same time at most, of all nodes together'),
  rate: z
    .string()
    .transform((value, context) => {
      const [, count, unit] = /^(\d{1,6})\/(s|m)$/.exec(value) ?? [];
      if (Number(count) > 0) return { tries: Number(count), perMs: unit === 's' ? 1_000 : 60_000 };
      context.addIssue({ code: 'custom', message: "expected requests in a second or a minute, such as '10/s' or '30/m'" });
      return z.NEVER;
    })
    .optional()
    .describe("How many requests are begun in a second or a minute at most, of all nodes together: '10/s', '30/m'"),
  headers: z
    .record(headerName, headerValue)
    .refine(headers => Object.keys(headers).length <= 32, 'expected at most 32 headers')
    .optional()
    .describe('Headers added to each request, such as an Authorization'),
});

/** `webhookOptions` as parsed; `timeout` is in ms. */
export type WebhookOptions = z.output<typeof webhookOptions>;

function isPlainHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && !username && !password;
}
