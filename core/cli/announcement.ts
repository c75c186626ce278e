import type { Hub, Listener } from '../hub.js';
import type { OperationServices } from '../operations/services.js';
import type { CliContext, GlobalOptions } from './context.js';

/** The data directory unless one is given. */
export const DEFAULT_DATA_DIRECTORY = './entrepot-data';

/** The hub complains of the first section that is wrong; whoever starts it should read of all. */
export async function tellEverything(error: unknown, context: CliContext, options: GlobalOptions): Promise<never> {
  const { ConfigError } = await import('../config/config-error.js');
  if (error instanceof ConfigError) await (await import('./shipped-types.js')).readAll(context, options);
  throw error;
}

/** One box on a terminal, one log line elsewhere. `listeners` and `pid` are those of the whole hub. */
export async function tell(
  context: CliContext,
  options: GlobalOptions,
  hub: Hub,
  services: OperationServices,
  { listeners, pid }: { readonly listeners: readonly Listener[]; readonly pid: number } = { listeners: hub.listeners, pid: process.pid },
): Promise<void> {
  const { HUB_VERSION } = await import('../version.js');
  const { dataDirectory } = hub;
  const setup = await setupLink(hub, listeners);
  if (!context.output.isTTY) {
    hub.log.info({ version: HUB_VERSION, pid, dataDirectory, listeners }, 'listening');
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
  const hooks = (await hub.reports.get('hooks-folder')?.()) as { readonly folder: string; readonly enabled: boolean } | undefined;
  const facts: [string, string][] = [['Data', dataDirectory], ...(hooks?.enabled ? [['Hooks', hooks.folder] as [string, string]] : [])];
  const first = setup === undefined ? [] : ['Set it up in a browser, once, within 60 minutes:', `  ${setup}`, ''];
  context.output.write(`${renderSummary({ version: HUB_VERSION, listeners, facts, next: [...first, ...(next || [])] })}\n`);
}

/** Where the owner is made; undefined when there is an admin, or no web server. */
async function setupLink(hub: Hub, listeners: readonly Listener[]): Promise<string | undefined> {
  const { Setup } = await import('../auth/setup.js');
  const url = listeners.find(({ protocol }) => protocol === 'web')?.url;
  const setup = hub.get(Setup);
  // Behind '#', so that no proxy on the way writes it into a log.
  return url !== undefined && (await setup.needed()) ? `${url}setup#token=${await setup.token()}` : undefined;
}
