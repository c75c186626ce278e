import type { Command } from 'commander';
import type { Config } from '../config/schema.js';
import { tell, tellEverything } from './announcement.js';
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
  const { workerLink } = await import('../cluster/workers.js');
  const link = workerLink();
  if (link) return (await import('./worker.js')).runWorker(context, options, link);
  const { ControlServer, refuseSecondHub } = await import('../control.js');
  await refuseSecondHub(options.dataDir);
  const config = await readCore(context, options);
  const { countWorkers } = await import('../config/workers.js');
  const serving = countWorkers(config);
  if (serving > 0) return (await import('./primary.js')).runPrimary(context, options, config, serving);
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
    const told = stopSignal(context, () =>
      hub.log.info({}, 'SIGHUP: one process has nothing to replace; certificates and hooks are watched'),
    );
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

/** The options of the core, before anything else is loaded. */
async function readCore(context: CliContext, options: GlobalOptions): Promise<Config> {
  const [{ ConfigSources }, { configSchema }] = await Promise.all([import('../config/load.js'), import('../config/schema.js')]);
  try {
    return (await ConfigSources.read({ file: options.config, env: context.env })).parse([], configSchema);
  } catch (error) {
    return tellEverything(error, context, options);
  }
}
