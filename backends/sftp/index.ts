import ssh2 from 'ssh2';
import { defineExtension, HubError, type Logger } from '#core/api.js';
import { describe, readAttributes } from './attributes.js';
import { HostKeys } from './host-key.js';
import { type SftpOptions, sftpOptions } from './options.js';
import { nameText, PACKET, stringField } from './packets.js';
import { ConnectionPool } from './pool.js';
import { expected, Refusal, STATUS } from './status.js';
import { nameIn, SftpStorage } from './storage.js';

export { sftpOptions } from './options.js';

/**
 * Connects once, to learn what the server can do and where the root is. Throws 'invalid-request' when the private key cannot be read,
 * 'not-found' when the root is no directory, and 'unavailable' with what stands in the way of a connection.
 */
export async function openSftpStorage(options: SftpOptions, log: Logger): Promise<SftpStorage> {
  const { password, privateKey, passphrase } = options;
  checkKey(privateKey, passphrase);
  const peer = {
    host: options.host,
    port: options.port,
    username: options.username,
    hostKeys: new HostKeys([options.hostKey].flat()),
    connectTimeoutMs: options.connectTimeout,
    requestTimeoutMs: options.requestTimeout,
    ...(password === undefined ? {} : { password }),
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
  const pool = new ConnectionPool(peer, { connections: options.connections, idleTimeoutMs: options.idleTimeout }, log);
  try {
    return await pool.use(async connection => {
      const root = nameText(nameIn(await connection.request(PACKET.REALPATH, [stringField(options.root)])));
      const found = expected(await connection.request(PACKET.STAT, [stringField(root ?? '')]), PACKET.ATTRS);
      if (!root?.startsWith('/') || describe('', readAttributes(found))?.type !== 'directory') throw noRoot();
      return new SftpStorage(pool, root, connection.extensions);
    }, true);
  } catch (error) {
    await pool.close();
    throw error instanceof Refusal && error.status === STATUS.NO_SUCH_FILE ? noRoot() : error;
  }
}

function noRoot(): HubError {
  return new HubError('not-found', 'The root of the storage is not a directory of the SFTP server');
}

function checkKey(privateKey: string | undefined, passphrase: string | undefined): void {
  if (privateKey === undefined) return;
  const parsed = ssh2.utils.parseKey(privateKey, passphrase);
  if (parsed instanceof Error) throw new HubError('invalid-request', `option 'privateKey': ${parsed.message}`, { cause: parsed });
  if (!parsed.isPrivateKey()) throw new HubError('invalid-request', "option 'privateKey': this is a public key");
}

export default defineExtension({
  name: 'sftp-storage',
  api: '^1.0.0',
  register(hub) {
    hub.backend({ name: 'sftp', options: sftpOptions, open: (options, { log }) => openSftpStorage(options, log) });
  },
});
