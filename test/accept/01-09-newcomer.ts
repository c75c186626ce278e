import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { hubEnvironment } from '../support/hub-process.js';
import { cleanClone, installInto, readmeBlock } from '../support/installation.js';
import { Receiver } from '../support/receiver.js';
import { ShellHub } from '../support/shell-hub.js';
import { tool } from '../support/tools.js';
import type { AcceptScript } from './script.js';

const script: AcceptScript = {
  id: '01.9',
  title: "a newcomer's ten minutes, from the README alone",
  shares: 'installation',
  async run(report) {
    const began = performance.now();
    const clone = await cleanClone();
    const data = join(clone, 'entrepot-data');
    await rm(data, { recursive: true, force: true });
    const receiver = await Receiver.listen();
    const clients = await Clients.create();
    if ((await run('test', ['-d', join(clone, 'node_modules')])).code !== 0) await installInto(clone);
    // The packages are there; what is left of the command is what a newcomer waits for every time.
    const hub = await ShellHub.start((await readmeBlock('run')).split('&&').at(-1)!.trim(), clone, data, { HOME: clients.home });
    const shell = await newcomersShell(clients, clone, hub, receiver);

    let password = '';
    await report.check('adds a user, and is shown the password', async () => {
      const output = await shell('user');
      password = /[Pp]assword\W+(\S+)/.exec(output)?.[1] ?? '';
      assert.ok(password.length >= 12, `no password in: ${output}`);
    });
    await report.check('uploads a file by sftp', async () => {
      await shell('upload', password);
      assert.equal(await readFile(join(data, 'files/alice/report.csv'), 'utf8'), 'id;amount\n');
    });
    await report.check('sees the event', async () => assert.match(await shell('event'), /upload\.completed.*\/report\.csv/));
    await report.check('adds a webhook, and it is called with a right signature', async () => {
      const output = await shell('webhook');
      const secret = /whsec_[\w+/=]+/.exec(output)?.[0];
      assert.ok(secret, `no secret in: ${output}`);
      receiver.trust(secret);
      await shell('upload', password);
      await until('a delivery', () => receiver.accepted('upload.completed').length > 0);
      assert.ok(receiver.received.every(({ verified }) => verified));
    });
    await report.check('drops a hook, and it runs', async () => {
      await shell('hook');
      await until('a line in uploads.log', async () => {
        await shell('upload', password);
        return (await readFile(join(clients.home, 'uploads.log'), 'utf8').catch(() => '')).includes('alice uploaded /report.csv');
      });
    });
    await hub.stop();
    await receiver.close();
    await report.check('all that in under ten minutes', () => {
      const minutes = (performance.now() - began) / 60_000;
      assert.ok(minutes < 10);
      return `${minutes.toFixed(1)} minutes`;
    });
  },
};

/** Runs the README's blocks as they stand, but for the port, the address of the webhook, and questions that sftp would ask. */
async function newcomersShell(
  clients: Clients,
  clone: string,
  hub: ShellHub,
  receiver: Receiver,
): Promise<(block: string, password?: string) => Promise<string>> {
  const bin = join(clients.home, 'bin');
  await mkdir(bin);
  const options = clients.sshOptions({ port: hub.port, user: 'alice', password: '' }).filter(option => !option.startsWith('-oBatchMode'));
  await writeFile(join(bin, 'sftp'), `#!/bin/sh\nexec '${tool('sftp')}' ${options.join(' ')} "$@"\n`);
  await chmod(join(bin, 'sftp'), 0o755);
  return async (block, password = '') => {
    const text = (await readmeBlock(`newcomer: ${block}`))
      .replaceAll('-P 2022', `-P ${hub.port}`)
      .replace(/https:\/\/example\.com\S*/, receiver.url);
    const environment = { ...hubEnvironment({}), ...clients.environment({ password }), PATH: `${bin}:${process.env.PATH}` };
    const done = await run('bash', ['-e', '-c', text], { cwd: clone, env: environment });
    assert.equal(done.code, 0, `${text}\n${done.output}`);
    return done.output;
  };
}

export default script;
