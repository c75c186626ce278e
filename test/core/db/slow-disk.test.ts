import { execFile } from 'node:child_process';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { SlowDiskReport } from './slow-disk-child.js';
import { temporaryDirectory } from './temporary-database.js';

const run = promisify(execFile);

/** Makes each fsync and fdatasync of a process take 50 ms more, and counts them by the size of a file. */
const SHIM = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
static void slow(void) {
  int counter = open(getenv("SYNC_COUNTER"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (counter >= 0) { if (write(counter, "s", 1) < 0) abort(); close(counter); }
  usleep(50000);
}
int fsync(int fd) { slow(); return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { slow(); return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(fd); }
`;

/** Undefined, with the reason printed, where the machine cannot do this; on CI that is a failure. */
async function compileShim(t: ExecutionContext): Promise<string | undefined> {
  const directory = await temporaryDirectory(t);
  const library = join(directory, 'slow-sync.so');
  await writeFile(join(directory, 'slow-sync.c'), SHIM);
  try {
    if (process.platform !== 'linux') throw new Error(`LD_PRELOAD is not available on ${process.platform}`);
    await run('cc', ['-shared', '-fPIC', '-o', library, join(directory, 'slow-sync.c'), '-ldl']);
    return library;
  } catch (error) {
    const reason = `cannot slow the disk down without a C compiler: ${(error as Error).message}`;
    if (process.env.CI) t.fail(reason);
    else t.log(`skipped: ${reason}`);
    return undefined;
  }
}

async function record(
  t: ExecutionContext,
  where: 'thread' | 'loop',
  library: string,
): Promise<SlowDiskReport & { readonly syncs: number }> {
  const directory = await temporaryDirectory(t);
  const counter = join(directory, 'syncs');
  const data = join(directory, 'data');
  await mkdir(data);
  const child = fileURLToPath(new URL('./slow-disk-child.js', import.meta.url));
  const { stdout } = await run(process.execPath, [child, where, data], {
    env: { ...process.env, LD_PRELOAD: library, SYNC_COUNTER: counter },
  });
  const report: SlowDiskReport = JSON.parse(stdout);
  return { ...report, syncs: (await stat(counter)).size };
}

test.serial('shares commits and leaves the event loop free while every fsync takes 50 ms', async t => {
  const library = await compileShim(t);
  if (!library) return t.pass();
  const { calls, syncs, p99Ms } = await record(t, 'thread', library);
  t.log(`${calls} calls, ${syncs} syncs, loop delay p99 ${p99Ms.toFixed(1)} ms`);
  t.true(syncs >= 12, 'each of twelve rounds has to reach the disk');
  t.true(syncs <= calls / 4, `${syncs} syncs for ${calls} calls`);
  // A loop that waited for a sync would be as late as that takes; how far below that it is depends on what else the machine does.
  t.true(p99Ms < 50, `loop delay p99 ${p99Ms} ms`);
});

test.serial('control: the same disk stops the event loop of a database without a thread', async t => {
  const library = await compileShim(t);
  if (!library) return t.pass();
  const { calls, syncs, p99Ms } = await record(t, 'loop', library);
  t.log(`${calls} calls, ${syncs} syncs, loop delay p99 ${p99Ms.toFixed(1)} ms`);
  t.true(syncs >= calls);
  t.true(p99Ms >= 30, `loop delay p99 ${p99Ms} ms`);
});
