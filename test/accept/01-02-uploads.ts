import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder, until } from '../support/children.js';
import { type Account, Clients } from '../support/clients.js';
import { addWebhook, delivered, dropHook, exactlyOnce, listEvents } from '../support/events.js';
import { HubProcess } from '../support/hub-process.js';
import { Receiver } from '../support/receiver.js';
import type { AcceptScript } from './script.js';

const SMALL = 200;
const BIG_BYTES = 100 * 2 ** 20;
const TYPE = 'upload.completed';

const script: AcceptScript = {
  id: '01.2',
  title: 'OpenSSH uploads by password and by key: files, events, deliveries and hooks agree',
  async run(report) {
    const receiver = await Receiver.listen();
    const hub = await HubProcess.start();
    const clients = await Clients.create();
    const key = await clients.makeKey('alice');
    await hub.addUser('alice', 'correct horse', ['--key', `${key}.pub`]);
    await addWebhook(hub, receiver, TYPE);
    const marks = await dropHooks(hub);
    const source = await makeFiles();
    const accounts = {
      password: { port: hub.port, user: 'alice', password: 'correct horse' },
      key: { port: hub.port, user: 'alice', keyFile: key },
    };

    const paths: string[] = [];
    for (const [name, account] of Object.entries(accounts)) {
      paths.push(...[...source.contents.keys()].map(file => `/by-${name}/${file}`));
      await report.check(`puts 100 MiB and ${SMALL} small files by ${name}; bytes are equal on disk`, () =>
        putAll(hub, clients, account, name, source),
      );
    }
    await report.check('each upload has exactly one event and one verified delivery', async () => {
      await delivered(receiver, TYPE, paths.length);
      exactlyOnce(paths, await listEvents(hub, TYPE), receiver, TYPE);
      return `${paths.length} uploads, ${receiver.accepted(TYPE).length} deliveries verified by the reference library`;
    });
    for (const [kind, folder] of Object.entries(marks)) {
      await report.check(`a ${kind} hook ran for each`, async () => {
        const names = await until(
          `${paths.length} marks`,
          async () => {
            const names = await readdir(folder);
            return names.length >= paths.length && names;
          },
          120_000,
        );
        const ids = receiver.accepted(TYPE).map(({ id }) => id);
        assert.deepEqual(names.sort(), ids.sort());
        return `${names.length} runs`;
      });
    }
    await report.check('a re-key after each 16 MiB leaves 100 MiB whole', async () => {
      const content = source.contents.get('big.bin')!;
      const put = await clients.sftp(accounts.key, [`put ${join(source.folder, 'big.bin')} /rekey.bin`], ['-oRekeyLimit=16M']);
      assert.equal(put.code, 0, put.output);
      assert.ok(content.equals(await readFile(join(hub.files, 'alice/rekey.bin'))));
      const got = join(source.folder, 'got.bin');
      const get = await clients.sftp(accounts.key, [`get /rekey.bin ${got}`], ['-oRekeyLimit=16M']);
      assert.equal(get.code, 0, get.output);
      assert.ok(content.equals(await readFile(got)));
    });
    await report.check('the hub stops when asked, and says 0', async () => assert.equal(await hub.stop(), 0));
    await receiver.close();
  },
};

async function makeFiles(): Promise<{ folder: string; contents: Map<string, Buffer> }> {
  const folder = await temporaryFolder('source');
  const contents = new Map<string, Buffer>([['big.bin', randomBytes(BIG_BYTES)]]);
  for (let index = 0; index < SMALL; index += 1) contents.set(`small-${index}.dat`, randomBytes(1 + index * 97));
  await Promise.all([...contents].map(([name, content]) => writeFile(join(folder, name), content)));
  return { folder, contents };
}

async function putAll(
  hub: HubProcess,
  clients: Clients,
  account: Account,
  name: string,
  source: Awaited<ReturnType<typeof makeFiles>>,
): Promise<string> {
  const began = performance.now();
  const put = await clients.sftp(account, [
    `mkdir /by-${name}`,
    `put ${source.folder}/big.bin /by-${name}/`,
    `put ${source.folder}/small-* /by-${name}/`,
  ]);
  assert.equal(put.code, 0, put.output);
  const seconds = (performance.now() - began) / 1000;
  for (const [file, content] of source.contents) {
    assert.ok(content.equals(await readFile(join(hub.files, 'alice', `by-${name}`, file))), `${file} differs on disk`);
  }
  assert.equal((await readdir(join(hub.files, 'alice', `by-${name}`))).length, source.contents.size);
  return `${seconds.toFixed(1)} s`;
}

/** One hook in shell and one in JavaScript, each leaving a file named for the event's id. */
async function dropHooks(hub: HubProcess): Promise<Record<string, string>> {
  const folder = await temporaryFolder('marks');
  const marks = { shell: join(folder, 'shell'), JavaScript: join(folder, 'javascript') };
  for (const mark of Object.values(marks)) await mkdir(mark);
  await dropHook(hub, `${TYPE}.d/10-mark.sh`, `#!/bin/sh\ncat > /dev/null\nset -C\n: > '${marks.shell}/'"$ENTREPOT_EVENT_ID"\n`);
  const module = `import { writeFile } from 'node:fs/promises';
export default async event => writeFile('${marks.JavaScript}/' + event.id, event.data.path, { flag: 'wx' });
`;
  await dropHook(hub, `${TYPE}.d/20-mark.mjs`, module);
  return marks;
}

export default script;
