import { renameSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

// Loaded into a hub by `node --import`: at SIGUSR2 it collects garbage and writes what memory is left into a file.
const file = process.env.MEMORY_PROBE_FILE;
if (isMainThread && file !== undefined) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  process.on('SIGUSR2', () => void probe(file, collect));
  if (process.env.MEMORY_PROBE_KEEP !== undefined) keepSockets();
}

async function probe(target: string, collect: () => void): Promise<void> {
  // What a collection finds to be closed is freed in the next turns, and is then found by the next one. After more of them V8
  // thinks that the process is idle and makes its heap smaller, which then grows anew, each time to another size.
  for (let times = 0; times < 3; times++) {
    collect();
    await sleep(100);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  writeFileSync(`${target}.new`, JSON.stringify({ rss, heapUsed, external }));
  renameSync(`${target}.new`, target);
}

/** The leak that a control needs: whoever was accepted is never forgotten. */
function keepSockets(): void {
  const kept: unknown[] = [];
  const { emit } = net.Server.prototype;
  net.Server.prototype.emit = function (this: net.Server, event: string | symbol, ...values: unknown[]) {
    if (event === 'connection') kept.push(values[0]);
    return Reflect.apply(emit, this, [event, ...values]) as boolean;
  };
}
