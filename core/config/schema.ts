import { hostname } from 'node:os';
import { z } from 'zod';
import { parseTimeOfDay, place } from '../backup/place.js';
import { LOG_LEVELS } from '../log.js';
import { isRange } from '../net.js';
import { isDatabaseUrl } from './database-url.js';
import { duration, durationOrOff, durations } from './units.js';

const RETRY = ['5s', '5m', '30m', '2h', '5h', '10h', '14h', '20h', '24h'];

/** Forward secrecy always; block chaining only for old machines, which have nothing better. */
const CIPHERS =
  'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!PSK:!SRP';

/**
 * Every option of the core. Protocols and extensions bring their own schema, found at `protocols.<name>` and
 * `extensions.<name>`. Each leaf has a default and a description; secrets carry `.meta({ secret: true })`.
 */
export const configSchema = z.strictObject({
  node: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .default(
      hostname()
        .replace(/[^\w.-]/g, '-')
        .slice(0, 64) || 'hub',
    )
    .meta({ defaultText: 'the host name' })
    .describe("Name of this machine in events ('entrepot/<node>')"),
  log: z
    .strictObject({
      level: z.enum(LOG_LEVELS).default('info').describe('What is logged: everything from this level up'),
      format: z
        .enum(['auto', 'pretty', 'json'])
        .default('auto')
        .describe('Pretty on a terminal and JSON lines elsewhere, or one of both always'),
    })
    .prefault({}),
  database: z
    .strictObject({
      url: z
        .string()
        .refine(
          isDatabaseUrl,
          "expected 'sqlite:FILE', relative to the data directory, or 'mysql://user@host:port/name' or 'postgres://user@host:port/name'",
        )
        .default('sqlite:hub.db')
        .meta({ secret: true })
        .describe(
          "Where the records are: 'sqlite:FILE', relative to the data directory; 'sqlite::memory:' forgets them at the end; 'mysql://user@host:port/name' for MySQL 8 or MariaDB, 'postgres://user@host:port/name' for PostgreSQL",
        ),
      password: z.string().min(1).optional().meta({ secret: true }).describe('The password for a database server, where `url` has none'),
      pool: z
        .int()
        .min(2)
        .max(500)
        .default(10)
        .describe('Connections to a database server that this process uses for writing, at most; lists have a third of that beside them'),
      tls: z
        .strictObject({
          enabled: z.boolean().default(false).describe('Whether the database server is spoken to by TLS only'),
          ca: z
            .string()
            .min(1)
            .optional()
            .describe('The file of the authority that its certificate is of, in PEM; unless set, those of the system'),
          verify: z.boolean().default(true).describe('Whether its certificate has to be of an authority and for its host'),
        })
        .prefault({}),
    })
    .prefault({}),
  redis: z
    .strictObject({
      url: z
        .string()
        .refine(isRedisUrl, "expected 'redis://HOST:PORT', or 'rediss://' for TLS, with 'user:password@' and '/NUMBER' where needed")
        .optional()
        .meta({ secret: true })
        .describe("The Redis that joins several nodes: limits, messages and the queue of events (BullMQ); 'rediss://…' speaks TLS"),
      tls: z
        .strictObject({
          ca: z
            .string()
            .min(1)
            .optional()
            .describe('The file of the authority that its certificate is of, in PEM; unless set, those of the system'),
        })
        .prefault({}),
      keyPrefix: z
        .string()
        .regex(/^[\w.-]{1,64}$/)
        .default('entrepot')
        .describe('What every key and channel begins with; hubs that are to stay apart need one each'),
    })
    .prefault({}),
  workers: z
    .union([z.literal('auto'), z.int().min(0).max(64)])
    .default('auto')
    .describe(
      "How many processes serve clients, beside one for deliveries and tasks and one that starts them; 0 is one process for everything. 'auto' is 0 on up to two cores, and one less than there are cores otherwise",
    ),
  durability: z
    .enum(['disk', 'process'])
    .default('disk')
    .describe("What an acknowledged upload and its event survive: a power cut ('disk': fsync), or only a crash of the hub ('process')"),
  secrets: z
    .strictObject({
      key: z
        .string()
        .refine(text => Buffer.from(text, 'base64').length === 32, 'expected 32 bytes in base64')
        .optional()
        .meta({ secret: true })
        .describe("Seals the secrets in the database: 32 bytes in base64; unless set, 'secret.key' in the data directory"),
    })
    .prefault({}),
  admin: z
    .strictObject({
      username: z.string().min(1).max(64).default('admin').describe('Name of the owner that is made at a start without any admin'),
      password: z
        .string()
        .min(10, 'expected at least 10 characters')
        .max(1_024)
        .optional()
        .meta({ secret: true })
        .describe('His password; unless set, the hub prints a link with which the owner is made'),
    })
    .prefault({}),
  storages: z
    .strictObject({
      discover: z
        .string()
        .optional()
        .describe('A directory of which every subdirectory is offered as a local storage under its name, without a restart'),
    })
    .prefault({}),
  tls: z
    .strictObject({
      certificates: z
        .array(z.strictObject({ certificate: z.string().min(1), key: z.string().min(1).optional() }))
        .default([])
        .describe(
          'Certificates of all TLS listeners, in PEM, relative to the data directory; the first is the default, others are chosen by the name that a client asks for. `certificate` holds the chain, its own certificate first; `key` is the file of the key unless it is in the same one. Changed files are used without a restart. With none, the hub makes one that it signs itself',
        ),
      minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('The oldest version that clients may speak'),
      ciphers: z
        .string()
        .min(1)
        .default(CIPHERS)
        .describe("Ciphers offered, best first, as OpenSSL writes them; those of TLS 1.3 start with 'TLS_'"),
      clientCertificates: z
        .enum(['off', 'optional', 'required'])
        .default('off')
        .describe('Whether clients are asked for a certificate; its common name is the user'),
      clientAuthorities: z
        .string()
        .min(1)
        .optional()
        .describe('The file of the authorities whose client certificates count, in PEM, relative to the data directory'),
      revokedClients: z
        .string()
        .min(1)
        .optional()
        .describe(
          'The file of their revocation lists, in PEM, one of each authority; a list that has run out makes all its certificates fail',
        ),
      warnBefore: duration('30d').describe("How long before its end a certificate is warned of by the event 'certificate.expiring'"),
    })
    .prefault({}),
  limits: z
    .strictObject({
      sessions: z.int().min(1).default(5_000).describe('Sessions at the same time, in all'),
      sessionsPerUser: z.int().min(1).default(500).describe('Sessions of one user at the same time; a user may have a lower limit'),
      sessionsPerAddress: z.int().min(1).default(1_000).describe('Sessions from one address at the same time'),
      unauthenticated: z
        .int()
        .min(1)
        .default(200)
        .describe('Connections that have not logged in yet, in all; of the web, those on which no request has come yet'),
      unauthenticatedPerAddress: z
        .int()
        .min(1)
        .default(10)
        .describe(
          'Connections that have not logged in yet, from one address; over SFTP, four times as many more wait for their turn, ten seconds at most',
        ),
      idle: duration('15m').describe('A session without a request for this long is ended'),
      openFilesPerSession: z.int().min(1).default(256).describe('Files and directories that one session may have open'),
      openFilesPerUser: z.int().min(1).default(1_024).describe('Files and directories that all sessions of one user may have open'),
      digests: z
        .int()
        .min(1)
        .default(4)
        .describe('Checksums that are computed at the same time; the others wait, and one user has half of them at most'),
      digestTime: duration('10m').describe('The longest that one checksum may take'),
    })
    .prefault({}),
  uploads: z
    .strictObject({
      resume: durationOrOff('24h').describe(
        "How long an upload that was cut off is kept, so that its user can go on with it; 'off' removes it at once",
      ),
    })
    .prefault({}),
  defence: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Whether failed logins are counted, slowed down and turned away'),
      delay: duration('200ms').describe('How long the answer to a failed login is held; twice as long for each one near `failures`'),
      failures: z
        .int()
        .min(1)
        .max(1_000)
        .default(15)
        .describe('Failed logins from one address (IPv6: its /64) within `window` after which it is turned away'),
      userFailures: z
        .int()
        .min(1)
        .max(1_000)
        .default(100)
        .describe('Failed logins of one user from anywhere within `window` after which his password is refused; his keys are not'),
      window: duration('10m').describe('The time in which failed logins are counted'),
      ban: duration('30m').describe('How long the first turning away lasts; each further one takes twice as long as the last'),
      maxBan: duration('24h').describe('The longest turning away, and how long earlier ones are remembered'),
    })
    .prefault({}),
  proxyProtocol: z
    .strictObject({
      trusted: z
        .array(z.string().refine(isRange, 'expected an address or a range such as 10.1.0.0/16'))
        .default([])
        .describe(
          'Load balancers that send the PROXY protocol, version 1 or 2, by address or range: the header has to come from them, and the address in it is the client; from others none is read',
        ),
      protocols: z
        .array(z.string())
        .default(['sftp', 'ftp', 'web'])
        .describe('The protocols whose listeners read it, FTP for its data too'),
      timeout: duration('5s').describe('How long the header may take'),
    })
    .prefault({}),
  guards: z
    .strictObject({ timeout: duration('5s').describe('How long a check before an action may take; after it the action is refused') })
    .prefault({}),
  events: z
    .strictObject({
      retry: durations(RETRY).describe(
        'Waits after each failed delivery, spread by 10 %; after the last one it is dead and waits for an operator',
      ),
      record: z
        .array(z.string())
        .default(['*'])
        .describe("Events kept in the log also when nothing wants them: types, or patterns such as 'upload.*'"),
      keep: duration('30d').describe('How long delivered events are kept; those with a delivery that is not done stay'),
      concurrency: z.int().min(4).max(1_000).default(32).describe('Deliveries at the same time; one target gets a quarter of them at most'),
    })
    .prefault({}),
  outbound: z
    .strictObject({
      allow: z
        .array(z.string().refine(isRange, 'expected an address or a range such as 10.1.0.0/16, IPv4 with four decimal parts'))
        .default([])
        .describe("Private or local address ranges that webhooks may reach, such as ['10.1.0.0/16', '127.0.0.1']"),
      timeout: duration('15s').describe('The longest time for one outgoing request, answer included'),
    })
    .prefault({}),
  backup: z
    .strictObject({
      every: durationOrOff('24h').describe("How often the hub backs up its database by itself; 'off': only by `entrepot backup`"),
      at: z
        .string()
        .refine(text => parseTimeOfDay(text) !== undefined, "expected a time of the day, such as '03:30'")
        .optional()
        .describe('The time of the day, in local time, at which it does; unless set, when `every` is over'),
      keep: z.int().min(1).max(10_000).default(7).describe('How many backups stay; the oldest go'),
      directory: place('data:/.backups').describe('The storage and the directory in it where they are kept, hidden from users'),
    })
    .prefault({}),
  shutdown: z
    .strictObject({
      readinessDelay: durationOrOff('off').describe(
        'How long the hub goes on accepting after the signal to stop, while /readyz says that it is not ready: as long as a load balancer takes to notice',
      ),
      grace: duration('30s').describe('How long transfers may go on after the signal to stop; a second signal ends at once'),
    })
    .prefault({}),
});

function isRedisUrl(text: string): boolean {
  return URL.canParse(text) && /^rediss?:\/\/[^/?#]/.test(text);
}

/** What the core reads from file and environment. Durations are in ms, sizes in bytes. */
export type Config = z.output<typeof configSchema>;
