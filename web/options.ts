import { duration, z } from '#core/api.js';
import { isRange } from '#core/net.js';

/** A URL without what a base must not have; it ends in '/'. */
const publicUrl = z
  .url({ protocol: /^https?$/ })
  .refine(text => !/[?#]/.test(text) && new URL(text).username === '', 'expected a URL without user, query and fragment')
  .transform(text => new URL(text.endsWith('/') ? text : `${text}/`).href);

/** The section `protocols.web` of the configuration. */
export const webOptions = z.strictObject({
  enabled: z.boolean().default(true).describe('Whether the hub serves its pages and its HTTP API'),
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe(
      "The address to listen on; '::' is every address. Plain HTTP is spoken on a loopback address only, or behind `trustedProxies`; everywhere else it is HTTPS, with the certificates of `tls`",
    ),
  port: z.int().min(0).max(65_535).default(8080).describe('The TCP port; 0 takes any free one'),
  tls: z
    .enum(['auto', 'always'])
    .default('auto')
    .describe("'always': HTTPS on a loopback address and behind proxies too; 'auto': where it is needed"),
  publicUrl: publicUrl
    .optional()
    .describe('Where browsers find the hub, such as https://files.example.com/, when that differs from host and port'),
  basePath: z
    .string()
    .regex(/^\/([\w.~-]+\/)*$/, "expected a path such as '/' or '/files/', with a '/' at both ends")
    .default('/')
    .describe('The path under which everything is served'),
  trustedProxies: z
    .array(z.string().refine(isRange, 'expected an address or a range such as 10.1.0.0/16'))
    .default([])
    .describe(
      'Proxies in front of the hub, by address or range: what they say of a client (X-Forwarded-For, X-Forwarded-Proto) is believed',
    ),
  sessionIdle: duration('30m').describe('A browser that does nothing for this long is logged out'),
  sessionLifetime: duration('12h').describe('A browser is logged out this long after its login, whatever it does'),
  requestsPerMinute: z.int().min(1).default(1_200).describe('Requests to the API that one browser, key or address may make in a minute'),
});

/** Checked options. Durations are in ms. */
export type WebOptions = z.output<typeof webOptions>;
