import { isIP } from 'node:net';
import { duration, z } from '#core/api.js';

/** Ports from `first` to `last`; both 0 where any free one will do. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Worth offering from: fewer ports than this and clients wait for each other. */
const MIN_PORTS = 10;

const ports = z
  .string()
  .default('50000-50999')
  .transform((text, context): PortRange => {
    if (text === 'any') return { first: 0, last: 0 };
    const [first, last] = /^\d{1,5}-\d{1,5}$/.test(text) ? text.split('-').map(Number) : [];
    if (first !== undefined && last !== undefined && first >= 1_024 && last <= 65_535 && last - first >= MIN_PORTS - 1)
      return { first, last };
    context.addIssue({
      code: 'custom',
      message: `expected a range of at least ${MIN_PORTS} ports above 1023, such as '50000-50999', or 'any'`,
    });
    return z.NEVER;
  });

const host = z
  .string()
  .min(1)
  .refine(text => isIP(text) !== 6, 'expected an IPv4 address or a name: EPSV names no address');

/** The section `protocols.ftp` of the configuration. */
export const ftpOptions = z.strictObject({
  enabled: z.boolean().default(true).describe('Whether the hub speaks FTP'),
  host: z.string().min(1).default('::').describe("The address to listen on; '::' is every address, IPv4 included"),
  port: z.int().min(0).max(65_535).default(2021).describe('The TCP port; clients turn TLS on by AUTH TLS. 0 takes any free one'),
  implicitPort: z
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('A second port, on which TLS is spoken from the first byte (ftps, 990 as a rule); 0 takes any free one'),
  tls: z
    .enum(['required', 'optional', 'off'])
    .default('required')
    .describe("'required': no login and no data without TLS; 'optional': passwords and files may also travel in plain text; 'off': no TLS"),
  sessionReuse: z
    .enum(['require', 'prefer', 'off'])
    .default('prefer')
    .describe(
      "Whether the TLS session of a data connection must resume the client's earlier one ('require'), may ('prefer') or cannot ('off')",
    ),
  handshakeTimeout: duration('20s').describe('How long a client may take for a TLS handshake'),
  loginTimeout: duration('60s').describe('How long a client may take to log in'),
  dataTimeout: duration('30s').describe('How long a data connection may take to be opened'),
  maxTries: z.int().min(1).max(100).default(6).describe('Failed tries to log in after which a connection is dropped'),
  active: z
    .boolean()
    .default(false)
    .describe('Whether the hub connects to clients that ask for it (PORT, EPRT): only to their own address, and no port below 1024'),
  passive: z
    .strictObject({
      ports: ports.describe("The ports for data connections: a range, divided among the workers of a machine, or 'any'"),
      host: host
        .optional()
        .describe('The IPv4 address, or the name of one, that clients are told to connect to; unless set, the one they reached'),
      networks: z
        .array(
          z.strictObject({
            clients: z.array(z.string()).min(1).describe('Addresses or ranges of clients'),
            host: host.describe('What they are told instead'),
          }),
        )
        .default([])
        .describe('Other addresses for some clients, such as those inside the network; the first entry that fits counts'),
      sameAddress: z
        .boolean()
        .default(true)
        .describe("Whether a data connection must come from the control connection's address; false behind proxies that spread them"),
      perUser: z.int().min(1).default(200).describe('Data ports that the sessions of one user may hold at the same time'),
      perAddress: z.int().min(1).default(200).describe('Data ports that the clients of one address may hold at the same time'),
    })
    .prefault({}),
  banner: z.string().max(1_000).optional().describe('Text that clients are greeted with'),
});

/** Checked options. Durations are in ms. */
export type FtpOptions = z.output<typeof ftpOptions>;
