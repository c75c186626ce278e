import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

// Loaded into the hub by `node --import` for one pass of the bench: keeps the 99th percentile of the loop's delay in a file.
const file = process.env.LOOP_PROBE_FILE;
if (isMainThread && file !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: 10 });
  histogram.enable();
  const every = setInterval(() => {
    writeFileSync(`${file}.new`, JSON.stringify({ p99Ms: histogram.percentile(99) / 1e6, maxMs: histogram.max / 1e6 }));
    renameSync(`${file}.new`, file);
  }, 250);
  every.unref();
  // What the start costs is not what clients wait for.
  setTimeout(() => histogram.reset(), 3_000).unref();
}
