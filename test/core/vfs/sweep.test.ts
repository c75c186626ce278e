import 'reflect-metadata';
import test from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import { createLogger } from '#core/log.js';
import { sweepStaging } from '#core/vfs/sweep.js';
import { altered, unfinished } from './support.js';

async function withFiles(...names: readonly string[]): Promise<MemoryStorage> {
  const memory = new MemoryStorage();
  await memory.mkdir('/.entrepot');
  for (const name of names) await (await memory.open(`/.entrepot/${name}`, { write: true, create: true })).close();
  return memory;
}

test('removes the unfinished uploads of its own hub only, and none that proves what happened', async t => {
  const memory = await withFiles('mine-1', 'mine-2', 'mine-3', 'minelike-1', 'other-1', 'mine');
  t.is(await sweepStaging(memory, 'mine', createLogger('silent'), new Set(['/.entrepot/mine-2'])), 2);
  t.deepEqual((await unfinished(memory)).sort(), ['mine', 'mine-2', 'minelike-1', 'other-1']);
});

test('a storage without such a folder, or without removal, has nothing to sweep', async t => {
  t.is(await sweepStaging(new MemoryStorage(), 'mine', createLogger('silent')), 0);
  t.is(await sweepStaging(altered(await withFiles('mine-1'), { removeFile: undefined }), 'mine', createLogger('silent')), 0);
});
