import type { Command } from 'commander';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';

/** Adds `entrepot doctor`. */
export function addDoctorCommand(program: Command, context: CliContext): void {
  withExamples(
    program.command('doctor').description('Check the machine, the data directory and the configuration; exit 1 when something is wrong'),
    [['Before the first start, or when something does not work', 'doctor']],
  ).action(async (_options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const { examine } = await import('./doctor-checks.js');
    const rows = await examine(context, global);
    output.result(rows, list =>
      output.table(
        list,
        [
          { head: 'CHECK', value: row => row.check },
          { head: 'RESULT', value: row => row.result },
          { head: 'DETAIL', value: row => row.detail },
        ],
        '',
      ),
    );
    if (rows.some(({ result }) => result === 'fail')) process.exitCode = 1;
  });
}
