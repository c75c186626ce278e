import { resolve } from 'node:path';
import type { Command } from 'commander';
import { ControlClient } from '../control.js';
import { HubError } from '../errors.js';
import type { OperationOutput } from '../operations/index.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import { lasting } from './output.js';

const ANSWER_LIMIT_MS = 5_000;

/** Adds `entrepot status`. */
export function addStatusCommand(program: Command, context: CliContext): void {
  withExamples(program.command('status').description('Say whether the hub runs and accepts clients; exit 1 when it does not'), [
    ['For a health check', 'status'],
  ]).action(async (_options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const client = await ControlClient.connect(global.dataDir);
    if (!client) throw new HubError('unavailable', `No hub runs on ${resolve(global.dataDir)}`);
    try {
      const status = (await client.call('hub.status', {}, ANSWER_LIMIT_MS)) as OperationOutput<'hub.status'>;
      output.result(status, ({ version, pid, ready, sessions, uptimeMs }) =>
        [
          `Entrepot ${version} runs (pid ${pid}) since ${lasting(uptimeMs)}, ${sessions} sessions.`,
          ...(ready ? [] : ['It is stopping.']),
        ].join('\n'),
      );
      if (!status.ready) process.exitCode = 1;
    } finally {
      client.close();
    }
  });
}
