import assert from 'node:assert/strict';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run, temporaryFolder, until } from '../support/children.js';
import { entrepot, HubProcess, hubEnvironment } from '../support/hub-process.js';
import { cleanClone, installedTarball, readmeBlock } from '../support/installation.js';
import { RawSftp } from '../support/raw-sftp.js';
import { ShellHub } from '../support/shell-hub.js';
import { tool } from '../support/tools.js';
import type { AcceptScript } from './script.js';

const script: AcceptScript = {
  id: '01.1',
  title: "a clean clone runs by the README's commands, and the packed tarball by its own",
  shares: 'installation',
  async run(report, scale) {
    const clone = await cleanClone();
    await report.check("the README's first command runs a hub that takes an upload", async () => {
      const hub = await ShellHub.start(await readmeBlock('run'), clone, join(clone, 'entrepot-data'));
      await firstUpload(join(clone, 'dist/core/main.js'), join(clone, 'entrepot-data'), hub.port);
      assert.equal((await stat(join(clone, 'entrepot-data'))).mode & 0o777, 0o700);
      assert.equal((await stat(join(clone, 'entrepot-data/hub.db'))).mode & 0o077, 0);
      await hub.stop();
      return `listening after ${(hub.startedInMs / 1000).toFixed(0)} s, packages included`;
    });
    await report.check('on a terminal it shows one summary: addresses, fingerprints, what to do next', async () => {
      await rm(join(clone, 'entrepot-data'), { recursive: true });
      const hub = await ShellHub.start(`'${tool('script')}' -qefc 'npm start' /dev/null`, clone, join(clone, 'entrepot-data'));
      await until('the summary', () => hub.printed.includes('user add'));
      await hub.stop();
      for (const part of [String(hub.port), 'ED25519 SHA256:', 'ECDSA SHA256:', 'RSA SHA256:'])
        assert.ok(hub.printed.includes(part), `${part} in ${hub.printed}`);
    });
    await report.check("the README's second command works", async () => {
      const command = await readmeBlock('test');
      assert.equal(command, 'npm test');
      // The whole of it runs for minutes, and `.ci/run` runs it anyway.
      const reduced = scale === 'full' ? command : 'npm run build && npm run lint';
      const done = await run('bash', ['-c', reduced], { cwd: clone, timeoutMs: 900_000 });
      assert.equal(done.code, 0, done.output.slice(-2_000));
      return reduced;
    });
    await report.check('the packed tarball installs in an empty folder and runs by `npx entrepot start`', async () => {
      const place = await installedTarball();
      const data = await temporaryFolder('data');
      const hub = await ShellHub.start(`npx entrepot start --data-dir '${data}'`, place, data);
      await firstUpload(join(place, 'node_modules/entrepot/dist/core/main.js'), data, hub.port);
      await hub.stop();
      const { version } = JSON.parse(await readFile(join(place, 'node_modules/entrepot/package.json'), 'utf8')) as {
        readonly version: string;
      };
      const told = await run('npx', ['entrepot', 'version'], { cwd: place, env: hubEnvironment({}) });
      assert.ok(told.stdout.includes(version), told.output);
      return `version ${version}`;
    });
    await report.check('host keys are made once, and only their owner reads them', async () => {
      const hub = await HubProcess.start();
      const first = await run('find', [hub.dataDirectory, '-name', '*key*', '-type', 'f', '-perm', '/077']);
      assert.equal(first.stdout, '', 'others may read a key');
      const hash = async () =>
        (await run('bash', ['-c', `find '${hub.dataDirectory}' -name '*host*' -type f -exec sha256sum {} + | sort`])).stdout;
      const before = await hash();
      await hub.stop();
      const again = await HubProcess.start({ dataDirectory: hub.dataDirectory });
      assert.equal(await hash(), before);
      assert.equal(await again.stop(), 0);
      assert.ok(before.split('\n').length > 3, `three kinds of host keys: ${before}`);
    });
  },
};

async function firstUpload(program: string, data: string, port: number): Promise<void> {
  const added = await entrepot(['user', 'add', 'first', '--password-file', '-', '--data-dir', data], { program, input: 'secret\n' });
  assert.equal(added.code, 0, added.output);
  const client = await RawSftp.connect({ port, user: 'first', password: 'secret' });
  await client.put('/hello.txt', Buffer.from('hello'));
  client.end();
  assert.equal(await readFile(join(data, 'files/first/hello.txt'), 'utf8'), 'hello');
}

export default script;
