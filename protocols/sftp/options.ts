import { duration, z } from '#core/api.js';

const KEX = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group18-sha512',
  'diffie-hellman-group14-sha256',
] as const;
const CIPHERS = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
] as const;
const MACS = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'] as const;

/** What clients may run beside SFTP. */
const COMMAND_NAMES = ['scp', 'md5sum', 'sha1sum', 'sha256sum', 'sha384sum', 'sha512sum', 'cd', 'pwd'] as const;

/** The name of a command that clients may run. */
export type CommandName = (typeof COMMAND_NAMES)[number];

/** The section `protocols.sftp` of the configuration. */
export const sftpOptions = z.strictObject({
  enabled: z.boolean().default(true).describe('Whether the hub speaks SFTP'),
  host: z.string().min(1).default('::').describe("The address to listen on; '::' is every address, IPv4 included"),
  port: z.int().min(0).max(65_535).default(2022).describe('The TCP port; 0 takes any free one'),
  handshakeTimeout: duration('20s').describe('How long a client may take for a key exchange'),
  loginTimeout: duration('60s').describe('How long a client may take to log in'),
  maxTries: z.int().min(1).max(100).default(6).describe('Failed tries to log in after which a connection is dropped'),
  keepAlive: duration('30s').describe(
    'How long a silent client is let be before it is asked whether it is there; dropped after three questions',
  ),
  commands: z
    .array(z.enum(COMMAND_NAMES))
    .default([...COMMAND_NAMES])
    .describe('Commands that clients may run: the old protocol of scp, checksums, and what scripts ask before; nothing else ever runs'),
  banner: z.string().optional().describe('Text that clients show before the login'),
  hostKeys: z
    .string()
    .min(1)
    .default('host-keys')
    .describe('The directory of the host keys, relative to the data directory; missing keys are made'),
  trustedUserCaKeys: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "Authorities whose OpenSSH user certificates log in whom they name as a principal: lines of '.pub' files, or files of such lines, relative to the data directory",
    ),
  revokedCertificates: z
    .string()
    .min(1)
    .optional()
    .describe(
      "A file of certificates that no longer count: 'serial: 5', 'serial: 5-9', 'id: NAME' or 'SHA256:…' (a key or an authority), one a line; read anew when it changes",
    ),
  algorithms: z
    .strictObject({
      kex: z
        .array(z.enum(KEX))
        .min(1)
        .default([...KEX])
        .describe('Key exchanges offered, best first'),
      ciphers: z
        .array(z.enum(CIPHERS))
        .min(1)
        .default([...CIPHERS])
        .describe('Ciphers offered, best first'),
      macs: z
        .array(z.enum(MACS))
        .min(1)
        .default([...MACS])
        .describe('Message authentication codes offered, best first'),
    })
    .prefault({}),
});

/** Checked options. Durations are in ms. */
export type SftpOptions = z.output<typeof sftpOptions>;
