import { join } from 'node:path';
import type { Command } from 'commander';
import type { Hub } from '../hub.js';
import type { OperationServices } from '../operations/services.js';
import type { CliContext, GlobalOptions } from './context.js';
import { surroundings, withExamples } from './group.js';

/** Adds `entrepot start`. */
export function addStartCommand(program: Command, context: CliContext): void {
  withExamples(program.command('start').description('Run the hub until it is told to stop'), [
    ['With everything at its default: SFTP on port 2022, files in ./entrepot-data', 'start'],
    ['With a configuration', 'start --config /etc/entrepot/config.yaml --data-dir /var/lib/entrepot'],
    ['On another port', 'config print --sources    # names the variable: ENTREPOT_PROTOCOLS__SFTP__PORT'],
  ]).action(async (_options, self: Command) => {
    await start(context, surroundings(self, context).global);
  });
}

async function start(context: CliContext, options: GlobalOptions): Promise<void> {
  const { ControlServer, refuseSecondHub } = await import('../control.js');
  await refuseSecondHub(options.dataDir);
  const [{ Hub }, { runOperation }, { servicesOf }, { startHub, stopServing, stopSignal }, shipped] = await Promise.all([
    import('../hub.js'),
    import('../operations/index.js'),
    import('../operations/hub-services.js'),
    import('./serve.js'),
    context.loadShipped(),
  ]);
  const hub = await Hub.open({ dataDirectory: options.dataDir, configFile: options.config, env: context.env, ...shipped }).catch(error =>
    tellEverything(error, context, options),
  );
  const services = servicesOf(hub);
  const control = await ControlServer.claim(hub.dataDirectory, (name, input) => runOperation(services, name, input)).catch(async error => {
    await hub.stop(AbortSignal.abort());
    throw error;
  });
  try {
    const told = stopSignal();
    await startHub(hub);
    await control.announce(hub.listeners);
    await tell(context, options, hub, services);
    const end = await Promise.race([told, hub.failed]);
    await control.retract();
    // What supervises the hub starts it anew; one that cannot record anything must not go on.
    if (typeof end !== 'string') throw end;
    await stopServing(hub, end);
  } catch (error) {
    await hub.stop(AbortSignal.abort());
    throw error;
  } finally {
    await control.close();
  }
}

/** The hub complains of the first section that is wrong; whoever starts it should read of all. */
async function tellEverything(error: unknown, context: CliContext, options: GlobalOptions): Promise<never> {
  const { ConfigError } = await import('../config/config-error.js');
  if (error instanceof ConfigError) await (await import('./shipped-types.js')).readAll(context, options);
  throw error;
}

/** One box on a terminal, one log line elsewhere. */
async function tell(context: CliContext, options: GlobalOptions, hub: Hub, services: OperationServices): Promise<void> {
  const { HUB_VERSION } = await import('../version.js');
  const { dataDirectory, listeners } = hub;
  const setup = await setupLink(hub);
  if (!context.output.isTTY) {
    hub.log.info({ version: HUB_VERSION, pid: process.pid, dataDirectory, listeners }, 'listening');
    if (setup !== undefined) hub.log.info({ link: setup }, 'there is no admin yet; this link makes the owner, once, within 60 minutes');
    return;
  }
  const { renderSummary, clientCommand } = await import('./summary.js');
  const { items } = await services.users.page({}, undefined, 1);
  const sftp = listeners.find(({ protocol }) => protocol === 'sftp');
  const where = options.dataDir === DEFAULT_DATA_DIRECTORY ? '' : ` --data-dir ${options.dataDir}`;
  const next = items.length
    ? sftp && ['Connect:', `  ${clientCommand(sftp, items[0]!.username)}`]
    : [
        'There is no user yet. In another terminal:',
        `  ${context.program} user add alice${where}`,
        ...(sftp ? [`  ${clientCommand(sftp, 'alice')}`] : []),
      ];
  const facts = [['Data', dataDirectory], ...(hub.reports.has('hooks') ? [['Hooks', join(dataDirectory, 'hooks')]] : [])] as [
    string,
    string,
  ][];
  const first = setup === undefined ? [] : ['Set it up in a browser, once, within 60 minutes:', `  ${setup}`, ''];
  context.output.write(`${renderSummary({ version: HUB_VERSION, listeners, facts, next: [...first, ...(next || [])] })}\n`);
}

/** Where the owner is made; undefined when there is an admin, or no web server. */
async function setupLink(hub: Hub): Promise<string | undefined> {
  const { Setup } = await import('../auth/setup.js');
  const url = hub.listeners.find(({ protocol }) => protocol === 'web')?.url;
  const setup = hub.get(Setup);
  // Behind '#', so that no proxy on the way writes it into a log.
  return url !== undefined && (await setup.needed()) ? `${url}setup#token=${await setup.token()}` : undefined;
}

/** The data directory unless one is given. */
export const DEFAULT_DATA_DIRECTORY = './entrepot-data';
