import type { Command } from 'commander';
import { didYouMean } from '../config/nearest.js';
import { UsageError } from './context.js';
import { type AddCommands, withExamples } from './group.js';

/** Adds `entrepot help COMMAND…`, for commands of every depth. */
export const addHelpCommand: AddCommands = program => {
  program.helpCommand(false);
  withExamples(program.command('help [command...]').description('Show the help of a command'), [
    ['How a user is added', 'help user add'],
  ]).action((words: readonly string[]) => {
    let command = program;
    for (const word of words) {
      const found = command.commands.find(child => child.name() === word);
      if (!found) throw new UsageError(`unknown command '${word}'${didYouMean(word, names(command))}`);
      command = found;
    }
    command.outputHelp();
  });
};

function names(command: Command): readonly string[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map(child => child.name());
}
