import { Command, CommanderError } from 'commander';
import { HubError, toHubError } from '../errors.js';
import { printable } from '../printable.js';
import { HUB_VERSION } from '../version.js';
import { addAddressRuleCommands } from './address-rules.js';
import { addAdminCommands } from './admins.js';
import { DEFAULT_DATA_DIRECTORY } from './announcement.js';
import { addApiKeyCommands } from './api-keys.js';
import { addBackupCommands } from './backup.js';
import { addBanCommands } from './bans.js';
import { addBrandingCommands } from './branding.js';
import { addCertificateCommands } from './certificates.js';
import { addCompletionCommand } from './completion.js';
import { addConfigCommands } from './config.js';
import { type CliContext, type GlobalOptions, UsageError } from './context.js';
import { addDatabaseCommands } from './database.js';
import { addDoctorCommand } from './doctor.js';
import { addDeliveryCommands, addEventCommands } from './events.js';
import { addExtensionCommands } from './extensions.js';
import { type AddCommands, addGroupExamples, surroundings, withExamples } from './group.js';
import { addHelpCommand } from './help.js';
import { addHostKeyCommands } from './host-keys.js';
import { wantsColour } from './output.js';
import { addPortableCommand } from './portable.js';
import { addReloadCommand } from './reload.js';
import { addSessionCommands } from './sessions.js';
import { addStartCommand } from './start.js';
import { addStatusCommand } from './status.js';
import { addStorageCommands } from './storages.js';
import { addTargetCommands } from './targets.js';
import { addTrafficCommand } from './traffic.js';
import { addUserCommands } from './users.js';
import { addWebhookCommands } from './webhooks.js';

const COMMANDS: readonly AddCommands[] = [
  addStartCommand,
  addStatusCommand,
  addReloadCommand,
  addPortableCommand,
  addUserCommands,
  addAdminCommands,
  addApiKeyCommands,
  addStorageCommands,
  addWebhookCommands,
  addTargetCommands,
  addEventCommands,
  addDeliveryCommands,
  addSessionCommands,
  addTrafficCommand,
  addExtensionCommands,
  addBanCommands,
  addAddressRuleCommands,
  addHostKeyCommands,
  addCertificateCommands,
  addBackupCommands,
  addBrandingCommands,
  addConfigCommands,
  addDatabaseCommands,
  addDoctorCommand,
  addVersionCommand,
  addCompletionCommand,
  addHelpCommand,
];

/** The whole command tree. */
export function buildProgram(context: CliContext): Command {
  const { env } = context;
  const program = new Command('entrepot')
    .description('A file-exchange hub: SFTP in, files on any storage, and every upload an event that cannot be lost.')
    .option(
      '--data-dir <dir>',
      'where the hub keeps its data (variable ENTREPOT_DATA_DIR)',
      env.ENTREPOT_DATA_DIR || DEFAULT_DATA_DIRECTORY,
    )
    .option('--config <file>', 'configuration in YAML (variable ENTREPOT_CONFIG)', env.ENTREPOT_CONFIG || undefined)
    .option('--json', 'print results as JSON')
    .option('--debug', 'print where an error came from')
    .version(HUB_VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .configureHelp({ showGlobalOptions: true, ...(wantsColour(context) && { styleTitle: text => `\x1b[1m${text}\x1b[22m` }) })
    .configureOutput({
      writeOut: text => context.output.write(text),
      writeErr: text => context.errors.write(text),
      // tellFailure() says it, as every other failure.
      outputError: () => undefined,
      getOutHelpWidth: () => context.output.columns ?? 100,
      getErrHelpWidth: () => context.output.columns ?? 100,
      getOutHasColors: () => wantsColour(context),
      getErrHasColors: () => false,
    })
    .showSuggestionAfterError()
    .exitOverride();
  withExamples(program, [
    ['Start the hub', 'start'],
    ['Add a user, in another terminal', 'user add alice'],
    ['Send each finished upload to a URL', 'webhook add https://example.com/hook --event upload.completed'],
    ['Watch what happens', 'events tail'],
  ]);
  for (const add of COMMANDS) add(program, context);
  addGroupExamples(program);
  return program;
}

/** Runs one command line. Resolves to the exit code: 0, 1 when it failed, 2 when it was wrong. */
export async function runCommandLine(words: readonly string[], context: CliContext): Promise<number> {
  const program = buildProgram(context);
  if (words.length === 0) {
    program.outputHelp();
    return 0;
  }
  try {
    await program.parseAsync(words, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help')) return error.exitCode === 0 ? 0 : 2;
    const failure = error instanceof CommanderError ? new UsageError(sentenceOfUsage(error)) : error;
    tellFailure(failure, context, { ...program.opts<GlobalOptions>(), ...(words.includes('--json') && { json: true }) });
    return failure instanceof UsageError ? 2 : 1;
  }
}

function addVersionCommand(program: Command, context: CliContext): void {
  withExamples(program.command('version').description('Print the version of the hub, of Node and of the system'), [
    ['For a report', 'version --json'],
  ]).action((_options, self: Command) => {
    const version = { entrepot: HUB_VERSION, node: process.version, platform: `${process.platform} ${process.arch}` };
    surroundings(self, context).output.result(
      version,
      ({ entrepot, node, platform }) => `entrepot ${entrepot} (Node ${node}, ${platform})`,
    );
  });
}

/** One sentence on standard error, or what is wrong line by line; a stack only for `--debug`. */
function tellFailure(error: unknown, context: CliContext, { json, debug }: GlobalOptions): void {
  const { code, message } = error instanceof UsageError ? { code: 'usage', message: error.message } : sentenceOf(error);
  if (json) context.errors.write(`${JSON.stringify({ error: { code, message } })}\n`);
  else for (const line of message.split('\n')) context.errors.write(`entrepot: ${printable(line)}\n`);
  if (debug) context.errors.write(`${stackOf(error)}\n`);
}

/** Commander's words in the form of ours. */
function sentenceOfUsage({ message }: CommanderError): string {
  return message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (one of )?(.+)\?\)$/, (_all, several: string | undefined, names: string) =>
      several ? `, did you mean one of ${names}?` : `, did you mean '${names}'?`,
    );
}

function sentenceOf(error: unknown): HubError {
  const failure = toHubError(error);
  if (failure.code !== 'internal' || !(failure.cause instanceof Error)) return failure;
  return new HubError('internal', `${failure.message === 'Internal error' ? '' : `${failure.message}: `}${failure.cause.message}`);
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.stack ?? error.message}${error.cause === undefined ? '' : `\ncaused by: ${stackOf(error.cause)}`}`;
}
