import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Client, ClientChannel } from 'ssh2';
import { runCommand } from '../../support/exec.js';
import { connectSsh, FXP, type Login, packet, string, u32, u64 } from '../../support/raw-sftp.js';
import { startSftp } from './support.js';

/** A hub that computes one checksum at a time, on which that of '/huge' takes an hour. */
async function startWithHuge(t: ExecutionContext): Promise<Login> {
  const hub = await startSftp(t, { storage: 'disk', values: { limits: { digests: 1 } } });
  const files = await hub.files('alice');
  for (const path of ['/huge', '/small']) await (await files.open(path, { write: true, create: true, truncate: true })).close();
  await truncate(join(hub.dataDirectory, 'files', 'alice', 'huge'), 2 ** 41);
  return hub.login;
}

function channelOf(ssh: Client, open: 'exec' | 'subsys', what: string): Promise<ClientChannel> {
  return new Promise((resolve, reject) => ssh[open](what, (error, channel) => (error ? reject(error) : resolve(channel))));
}

test('a checksum ends when the client closes its channel or leaves, and the next one gets its place', async t => {
  const login = await startWithHuge(t);
  const small = () => runCommand(login, 'md5sum small');
  for (const leave of [(channel: ClientChannel) => channel.close(), (_channel: ClientChannel, ssh: Client) => ssh.destroy()]) {
    for (const open of ['exec', 'subsys'] as const) {
      const ssh = await connectSsh(login);
      const channel = await channelOf(ssh, open, open === 'exec' ? 'sha512sum huge' : 'sftp');
      if (open === 'subsys') {
        channel.write(packet(FXP.INIT, u32(3)));
        const range = [u64(0), u64(0), u32(0)];
        channel.write(packet(FXP.EXTENDED, u32(1), string('check-file-name'), string('/huge'), string('sha512'), ...range));
      }
      const waiting = small();
      leave(channel, ssh);
      t.is((await waiting).stdout, 'd41d8cd98f00b204e9800998ecf8427e  small\n');
      ssh.destroy();
    }
  }
});
