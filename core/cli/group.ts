import type { Command } from 'commander';
import type { CliContext, GlobalOptions } from './context.js';
import { Output } from './output.js';

/** Lines of examples below a command's help: what it does, and the command. */
export type Examples = readonly (readonly [meaning: string, command: string])[];

/** Adds commands of one group to the program. */
export type AddCommands = (program: Command, context: CliContext) => void;

const MAX_GROUP_EXAMPLES = 3;
const EXAMPLES = new WeakMap<Command, Examples>();

/** Adds examples to the help of `command`, which every command has. */
export function withExamples(command: Command, examples: Examples): Command {
  EXAMPLES.set(command, examples);
  const lines = examples.map(([meaning, text]) => `  # ${meaning}\n  $ entrepot ${text}`);
  return command.addHelpText('after', `\nExample${examples.length > 1 ? 's' : ''}:\n${lines.join('\n\n')}`);
}

/** Gives each group of commands below `command` the first example of its first commands. */
export function addGroupExamples(command: Command): void {
  for (const group of command.commands) {
    if (group.commands.length === 0) continue;
    addGroupExamples(group);
    withExamples(group, group.commands.flatMap(child => EXAMPLES.get(child)?.slice(0, 1) ?? []).slice(0, MAX_GROUP_EXAMPLES));
  }
}

/** The global options as given before or after `command`, and where its results go. */
export function surroundings(command: Command, context: CliContext): { readonly global: GlobalOptions; readonly output: Output } {
  const global = command.optsWithGlobals<GlobalOptions>();
  return { global, output: new Output(context, global) };
}
