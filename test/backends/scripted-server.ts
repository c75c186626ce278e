import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import ssh2, { type Connection, type SFTPWrapper } from 'ssh2';

/** What a server does with one kind of request. */
export type Answer = (sftp: SFTPWrapper, id: number, connection: Connection, ...fields: readonly unknown[]) => void;

const { STATUS_CODE } = ssh2.utils.sftp;
const DIRECTORY = { mode: 0o040755, uid: 0, gid: 0, size: 0, atime: 1_000, mtime: 1_000 };

/** ATTRS of a small file. */
export const FILE = { mode: 0o100644, uid: 0, gid: 0, size: 3, atime: 1_000, mtime: 1_000 };

/**
 * An SFTP server without extensions that answers as told, and counts what it is asked. Unless told, its root is a directory and there
 * is nothing in it. It takes anybody, is stopped at the end of the test, and shows
 * the key `hostKey`.
 */
export async function scriptedServer(t: ExecutionContext, answers: Readonly<Record<string, Answer>>) {
  const key = ssh2.utils.generateKeyPairSync('ed25519');
  const asked = new Map<string, number>();
  const rules: Readonly<Record<string, Answer>> = {
    REALPATH: (sftp, id) => sftp.name(id, [{ filename: '/', longname: '/', attrs: DIRECTORY }]),
    STAT: (sftp, id) => sftp.attrs(id, DIRECTORY),
    LSTAT: (sftp, id, _connection, path) => (path === '/' ? sftp.attrs(id, DIRECTORY) : sftp.status(id, STATUS_CODE.NO_SUCH_FILE)),
    CLOSE: (sftp, id) => sftp.status(id, STATUS_CODE.OK),
    ...answers,
  };
  const connections = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [key.private] }, connection => {
    connections.add(connection);
    connection.on('error', () => undefined);
    connection.on('close', () => connections.delete(connection));
    connection.on('authentication', context => context.accept());
    connection.on('session', accept => {
      accept().on('sftp', acceptSftp => {
        const sftp = acceptSftp();
        for (const [name, answer] of Object.entries(rules)) {
          sftp.on(name as 'REMOVE', (id: number, ...fields: readonly unknown[]) => {
            asked.set(name, (asked.get(name) ?? 0) + 1);
            answer(sftp, id, connection, ...fields);
          });
        }
      });
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    for (const connection of connections) connection.end();
    await new Promise<void>(resolve => server.close(() => resolve()));
  });
  const { port } = server.address() as AddressInfo;
  return { connections, hostKey: key.public, asked, login: { port, username: 'anybody', password: 'anything' } };
}
