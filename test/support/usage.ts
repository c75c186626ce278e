import { readdir, readFile } from 'node:fs/promises';

const TICKS_PER_SECOND = 100;

/** Seconds of processor time that a process and its children that still run have taken so far. */
export async function cpuSeconds(pid: number): Promise<number> {
  const [own, children] = [await readFile(`/proc/${pid}/stat`, 'utf8'), await childrenOf(pid)];
  // The name, which may hold anything, ends with the last bracket; utime and stime are fields 14 and 15.
  const fields = own.slice(own.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const below = await Promise.all(children.map(cpuSeconds));
  return ticks / TICKS_PER_SECOND + below.reduce((sum, seconds) => sum + seconds, 0);
}

/** The ids of the processes that `pid` has started and that still run. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(threads.map(thread => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')));
  return lists.flatMap(list => list.split(' ').filter(Boolean).map(Number));
}
