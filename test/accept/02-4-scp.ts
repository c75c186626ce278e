import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Outcome, run, temporaryFolder } from '../support/children.js';
import { type Account, Clients } from '../support/clients.js';
import { listEvents } from '../support/events.js';
import { runCommand } from '../support/exec.js';
import { HubProcess } from '../support/hub-process.js';
import { tool } from '../support/tools.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'correct-horse';
const MTIME = 1_400_000_000;

type Copy = (from: string, to: string) => Promise<Outcome>;

const script: AcceptScript = {
  id: '02.4.2',
  title: 'scp in both protocols, files and folders in both directions, and checksums',
  async run(report, scale) {
    const hub = await HubProcess.start();
    await hub.addUser('alice', PASSWORD);
    const clients = await Clients.create();
    const account: Account = { port: hub.port, user: 'alice', password: PASSWORD };
    const sizes = { empty: 0, small: 1_000, 'with space': 70_001, 'sub/deep/big': (scale === 'full' ? 5 * 1024 : 64) * 2 ** 20 };
    const tree = await makeTree(sizes);
    for (const [index, [name, copy]] of Object.entries(programs(clients, account)).entries()) {
      await report.check(`${name} -r -p: put, get, times kept, one event each`, async () => {
        const path = `/${index}`;
        await succeeds(copy(tree, `hub:${path}`));
        const back = join(await temporaryFolder('scp-back'), 'tree');
        await succeeds(copy(`hub:${path}`, back));
        for (const file of Object.keys(sizes)) {
          const [sent, kept, got] = [join(tree, file), join(hub.files, 'alice', path, file), join(back, file)];
          const digests = await Promise.all([sent, kept, got].map(digest));
          assert.equal(new Set(digests).size, 1, file);
          for (const place of [kept, got]) assert.equal(Math.floor((await stat(place)).mtimeMs / 1_000), MTIME, place);
        }
        const uploads = (await listEvents(hub, 'upload.completed')).filter(({ data }) => String(data.path).startsWith(`${path}/`));
        assert.equal(uploads.length, Object.keys(sizes).length);
        return `${uploads.length} files`;
      });
    }
    await report.check('checksums are those of the files, and nothing else runs', async () => {
      const login = { port: hub.port, user: 'alice', password: PASSWORD };
      const { stdout } = await runCommand(login, 'sha256sum "/0/with space"');
      assert.equal(stdout.split(' ')[0], await digest(join(tree, 'with space')));
      for (const command of ['id', 'sh', 'pwd; id', 'cat /etc/passwd', 'sftp-server']) {
        const refused = await runCommand(login, command);
        assert.deepEqual([refused.code, refused.stdout, refused.stderr.split('\n').length], [1, '', 2], command);
      }
    });
    await hub.stop();
  },
};

function programs(clients: Clients, account: Account): Readonly<Record<string, Copy>> {
  const remote = (path: string) => path.replace(/^hub:/, `${account.user}@127.0.0.1:`);
  const openssh =
    (protocol: string): Copy =>
    (from, to) =>
      run(tool('scp'), [protocol, '-r', '-p', ...clients.sshOptions(account), '-P', String(account.port), remote(from), remote(to)], {
        env: clients.environment(account),
      });
  return { 'scp -O': openssh('-O'), 'scp -s': openssh('-s') };
}

async function succeeds(outcome: Promise<Outcome>): Promise<void> {
  const { code, output } = await outcome;
  assert.equal(code, 0, output.slice(-1_000));
}

async function makeTree(sizes: Readonly<Record<string, number>>): Promise<string> {
  const tree = join(await temporaryFolder('scp'), 'tree');
  await mkdir(join(tree, 'sub/deep'), { recursive: true });
  for (const [name, size] of Object.entries(sizes)) {
    // A piece that repeats: five gigabytes of random bytes fit in no buffer.
    const piece = randomBytes(Math.min(size, 2 ** 20));
    for (let at = 0; at === 0 || at < size; at += piece.length || 1)
      await writeFile(join(tree, name), piece.subarray(0, size - at), { flag: at === 0 ? 'w' : 'a' });
    await utimes(join(tree, name), MTIME, MTIME);
  }
  return tree;
}

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

export default script;
