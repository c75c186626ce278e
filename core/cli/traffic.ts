import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { OperationOutput } from '../operations/index.js';
import { bytes } from '../printable.js';
import { type Caller, withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import { time } from './output.js';

type Traffic = OperationOutput<'traffic.show'>;
type Bin = Traffic['bins'][number];

const HOUR_MS = 3_600_000;
const READING_MS = 300;

/** Adds `entrepot traffic`. */
export function addTrafficCommand(program: Command, context: CliContext): void {
  withExamples(program.command('traffic').description('Show what was uploaded and downloaded within the last 24 hours'), [
    ['Hour by hour', 'traffic'],
    ['In steps of five minutes, for another program', 'traffic --json'],
  ]).action(async (_options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(await withHub(context, global, read), ({ bins }) =>
      output.table(
        hours(bins),
        [
          { head: 'HOUR', value: bin => time(bin.at) },
          { head: 'UPLOADED', value: bin => bytes(bin.uploadBytes), align: 'right' },
          { head: 'DOWNLOADED', value: bin => bytes(bin.downloadBytes), align: 'right' },
        ],
        'Nothing was moved.',
      ),
    );
  });
}

/** Waits until all records of the day are read. */
async function read(hub: Caller): Promise<Traffic> {
  for (;;) {
    const traffic = await hub.call('traffic.show', {});
    if (traffic.complete) return traffic;
    await sleep(READING_MS);
  }
}

function hours(bins: readonly Bin[]): readonly Bin[] {
  const sums = new Map<number, Bin>();
  for (const { at, uploadBytes, downloadBytes } of bins) {
    const hour = at - (at % HOUR_MS);
    const sum = sums.get(hour);
    sums.set(hour, {
      at: hour,
      uploadBytes: uploadBytes + (sum?.uploadBytes ?? 0),
      downloadBytes: downloadBytes + (sum?.downloadBytes ?? 0),
    });
  }
  return [...sums.values()];
}
