import type { Command } from 'commander';
import type { CliContext, GlobalOptions } from './context.js';
import { Output } from './output.js';

/** Lines of examples below a command's help: what it does, and the command. */
export type Examples = readonly (readonly [meaning: string, command: string])[];

/** Adds commands of one group to the program. */
export type AddCommands = (program: Command, context: CliContext) => void;

/** Adds examples to the help of `command`, which every command has. */
export function withExamples(command: Command, examples: Examples): Command {
  const lines = examples.map(([meaning, text]) => `  # ${meaning}\n  $ entrepot ${text}`);
  return command.addHelpText('after', `\nExample${examples.length > 1 ? 's' : ''}:\n${lines.join('\n\n')}`);
}

/** The global options as given before or after `command`, and where its results go. */
export function surroundings(command: Command, context: CliContext): { readonly global: GlobalOptions; readonly output: Output } {
  const global = command.optsWithGlobals<GlobalOptions>();
  return { global, output: new Output(context, global) };
}
