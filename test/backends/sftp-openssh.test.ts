import test from 'ava';
import { testStorageBackend } from '../conformance/index.js';
import { openStorage, startOpenSsh, turns } from './sftp-servers.js';

let server: Awaited<ReturnType<typeof startOpenSsh>>;

test.before(async () => {
  server = await startOpenSsh();
});

test.after.always(() => server?.sshd.stop());

const turn = turns(4);

testStorageBackend("sftp, on OpenSSH's server", async t => {
  await turn(t);
  return openStorage({ ...server.login, root: await server.root() });
});
