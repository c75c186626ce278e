import { duration, z } from '#core/api.js';
import { readPin } from './host-key.js';

const EXPECTED =
  "expected the server's 'SHA256:…' fingerprint or its public key, several of them in a list, or 'any' to trust whatever it shows";

const pin = z.string().refine(text => readPin(text) !== undefined, { error: EXPECTED });

/** The options of a storage of kind 'sftp'. */
export const sftpOptions = z.strictObject({
  host: z.string().min(1).describe('Name or address of the SFTP server'),
  port: z.int().min(1).max(65_535).default(22).describe('Its port'),
  username: z.string().min(1).describe('Whom to log in as'),
  password: z
    .string()
    .min(1)
    .exactOptional()
    .meta({ secret: true })
    .describe('The password, also given where the server asks for it by keyboard-interactive'),
  privateKey: z.string().min(1).exactOptional().meta({ secret: true }).describe('A private key, the text of its file (OpenSSH or PEM)'),
  passphrase: z.string().min(1).exactOptional().meta({ secret: true }).describe('What the private key is encrypted with'),
  hostKey: z
    .union([z.literal('any'), pin, z.array(pin).min(1, { error: EXPECTED })], { error: EXPECTED })
    .describe("The server's host key, or several: 'SHA256:…' or a public key; 'any' trusts whatever it shows"),
  root: z
    .string()
    .min(1)
    .default('/')
    .describe('Directory of the server that is the root of the storage; a relative one starts where the login ends up'),
  connections: z.int().min(1).max(8).default(2).describe('How many connections there may be at a time'),
  connectTimeout: duration('10s').describe('How long connecting and logging in may take'),
  requestTimeout: duration('30s').describe('How long the server may take for one answer'),
  idleTimeout: duration('60s').describe('When a connection that nobody uses is closed'),
});

export type SftpOptions = z.output<typeof sftpOptions>;
