import { duration, z } from '#core/api.js';
import { ADMIN_ROLES } from '#core/db/admin.js';
import { isRange } from '#core/net.js';

/** A URL without what a base must not have; it ends in '/'. */
const publicUrl = z
  .url({ protocol: /^https?$/ })
  .refine(text => !/[?#]/.test(text) && new URL(text).username === '', 'expected a URL without user, query and fragment')
  .transform(text => new URL(text.endsWith('/') ? text : `${text}/`).href);

const role = z.enum(ADMIN_ROLES);

/** One provider of single sign-on. */
const provider = z
  .strictObject({
    kind: z
      .enum(['oidc', 'github', 'gitlab', 'google', 'azure', 'okta', 'auth0', 'bitbucket', 'cognito', 'discord', 'linkedin', 'slack'])
      .default('oidc'),
    label: z.string().min(1).max(60).optional(),
    issuer: z.url({ protocol: /^https?$/ }).optional(),
    /** What a named provider needs beside: `{ uri: … }`. */
    config: z.record(z.string(), z.unknown()).optional(),
    clientId: z.string().min(1),
    clientSecret: z.string().min(1),
    scopes: z.array(z.string()).default(['openid', 'profile', 'email']),
    algorithms: z
      .array(z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']))
      .min(1)
      .default(['RS256']),
    match: z.enum(['username', 'email', 'never']).default('never'),
    usernameClaim: z.string().min(1).default('preferred_username'),
    createUsers: z.boolean().default(false),
    admins: z.strictObject({ claim: z.string().min(1), roles: z.record(z.string(), role) }).optional(),
  })
  .refine(({ kind, issuer }) => (kind === 'oidc') === (issuer !== undefined), "expected `issuer` for the kind 'oidc', and for no other");

/** Checked options of a provider of single sign-on. */
export type SsoProvider = z.output<typeof provider>;

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
  sso: z
    .record(z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, "expected a name such as 'company'"), provider)
    .default({})
    .meta({ secret: true })
    .describe(
      "Single sign-on by name: `kind` ('oidc' with `issuer`, or a provider such as 'github'), `clientId`, `clientSecret`; `match` says by what accounts are found at the first login ('username', 'email' that is verified, 'never'), `createUsers` whether users are made then, `admins` (`claim`, `roles`) which role a value of a claim gives. More in web/README.md",
    ),
  requestsPerMinute: z
    .int()
    .min(1)
    .default(1_200)
    .describe(
      'Requests to the API that one browser, key or address may make in a minute, in each process that serves: with several `workers` or nodes up to so many times as much in all',
    ),
});

/** Checked options. Durations are in ms. */
export type WebOptions = z.output<typeof webOptions>;
