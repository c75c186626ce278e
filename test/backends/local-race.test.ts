import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { mkdir, open, readdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { StorageBackend } from '#core/storage/backend.js';
import { localStorage, MEMORY_FOLDER } from './local-storage.js';

const OPENS = 20_000;
const CONTROL_LIMIT_MS = 60_000;

/** Exchanges two names for as long as it lives: the directory and the link are each at 'a' half of the time. */
const SWAPPER = `
const { renameSync } = require('node:fs');
const [a, b, spare] = process.argv.slice(1);
process.stdout.write('ready');
process.on('disconnect', () => process.exit());
const swap = () => {
  for (let round = 0; round < 500; round++) { renameSync(a, spare); renameSync(b, a); renameSync(spare, b); }
  setImmediate(swap);
};
swap();
`;

for (const [links, where] of [
  ['never', tmpdir()],
  ['inside', tmpdir()],
  ['never', MEMORY_FOLDER],
] as const) {
  test.serial(
    `reads nothing from outside in ${OPENS} opens while a directory and a link change places (links: ${links}, ${where})`,
    async t => {
      const { storage, root } = await racing(t, links, where);
      const storageRead = (): Promise<string | undefined> => contentOf(storage);
      const naiveRead = (): Promise<string | undefined> => resolveThenOpen(root);

      const seen = await tally(OPENS, storageRead);
      t.is(seen.outside, 0);
      t.true(seen.inside > 0, 'the race never let the file be read');

      const until = Date.now() + CONTROL_LIMIT_MS;
      let control = { inside: 0, outside: 0, refused: 0 };
      while (control.outside === 0 && Date.now() < until) control = await tally(1_000, naiveRead);
      t.true(control.outside > 0, 'resolving first and opening then never escaped: the race does not bite');
      t.log(`ours ${JSON.stringify(seen)}, the control's last thousand ${JSON.stringify(control)}`);
    },
  );
}

async function racing(t: ExecutionContext, links: 'never' | 'inside', where?: string): Promise<{ storage: StorageBackend; root: string }> {
  const { storage, root, outside } = await localStorage(t, { links }, where);
  await mkdir(join(root, 'a'));
  await writeFile(join(root, 'a', 'f.txt'), 'inside');
  await writeFile(join(outside, 'f.txt'), 'outside');
  await symlink(outside, join(root, 'b'));
  const swapper = spawn(process.execPath, ['-e', SWAPPER, join(root, 'a'), join(root, 'b'), join(root, 'spare')], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  t.teardown(async () => {
    const ended = new Promise(resolve => swapper.once('exit', resolve));
    swapper.kill('SIGKILL');
    await ended;
  });
  await new Promise(resolve => swapper.stdout?.once('data', resolve));
  return { storage, root };
}

async function tally(
  count: number,
  read: () => Promise<string | undefined>,
): Promise<{ inside: number; outside: number; refused: number }> {
  const seen = { inside: 0, outside: 0, refused: 0 };
  for (let done = 0; done < count; done += 8) {
    for (const content of await Promise.all(Array.from({ length: 8 }, read))) {
      if (content === undefined) seen.refused++;
      else seen[content === 'inside' ? 'inside' : 'outside']++;
    }
  }
  return seen;
}

async function contentOf(storage: StorageBackend): Promise<string | undefined> {
  const handle = await storage.open('/a/f.txt', { read: true }).catch(() => undefined);
  if (!handle) return undefined;
  const target = new Uint8Array(16);
  const count = await handle.read(target, 0);
  await handle.close();
  return new TextDecoder().decode(target.subarray(0, count));
}

/** What most servers do: look whether the path leads out, and then open it. */
async function resolveThenOpen(root: string): Promise<string | undefined> {
  try {
    if (!(await realpath(join(root, 'a', 'f.txt'))).startsWith(`${root}/`)) return undefined;
    const file = await open(join(root, 'a', 'f.txt'), constants.O_RDONLY);
    return await file.readFile('utf8').finally(() => file.close());
  } catch {
    return undefined;
  }
}

test.serial('publishes nothing outside in uploads that are begun while a directory and a link change places', async t => {
  const { storage, root } = await racing(t, 'never');
  let begun = 0;
  for (let round = 0; round < 1_500; round++) {
    await Promise.all(
      Array.from({ length: 4 }, async (_, index) => {
        const file = await storage.stage?.(`/a/new-${round}-${index}`, '.entrepot-test').catch(() => undefined);
        if (!file) return;
        begun++;
        await file.publish({ replace: true }).catch(() => file.abort());
      }),
    );
  }
  t.true(begun > 0, 'the race let no upload begin');
  t.deepEqual(await readdir(join(root, '..', 'outside')), ['f.txt']);
  t.deepEqual(await readdir(join(root, '.entrepot')), []);
});
