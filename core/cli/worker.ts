import type { WorkerLink } from '../cluster/worker-link.js';
import type { Listener } from '../hub.js';
import { tell, tellEverything } from './announcement.js';
import type { CliContext, GlobalOptions } from './context.js';
import { startHub } from './serve.js';

/** For those who are to hear the end. */
const FAREWELL_MS = 100;

/** Runs one process of a hub of several, until the primary ends it: does not return. */
export async function runWorker(context: CliContext, options: GlobalOptions, link: WorkerLink): Promise<void> {
  // A terminal and systemd signal all processes of the hub; the primary says what is to be done.
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => undefined);
  try {
    await work(context, options, link);
    process.exit(0);
  } catch (error) {
    link.failed(error);
    setTimeout(() => process.exit(1), FAREWELL_MS);
    await new Promise(() => undefined);
  }
}

async function work(context: CliContext, options: GlobalOptions, link: WorkerLink): Promise<void> {
  const [{ Hub }, { runOperation }, { servicesOf }, shipped, part] = await Promise.all([
    import('../hub.js'),
    import('../operations/index.js'),
    import('../operations/hub-services.js'),
    context.loadShipped(),
    link.begin(),
  ]);
  const settings = { dataDirectory: options.dataDir, configFile: options.config, env: context.env, part, ...shipped };
  const hub = await Hub.open(settings).catch(error => tellEverything(error, context, options));
  if (part.role === 'jobs') {
    const services = servicesOf(hub);
    link.onOperation((name, input) => runOperation(services, name, input));
    link.onListening(listeners => {
      const all = { listeners: listeners as readonly Listener[], pid: part.primaryPid };
      tell(context, options, hub, services, all).catch((error: unknown) => hub.log.error({ err: error }, 'could not say where it listens'));
    });
  }
  await startHub(hub);
  link.ready(hub.listeners);
  const over = new AbortController();
  const stopping = new AbortController();
  void link.stopped.then(graceMs => {
    stopping.abort();
    setTimeout(() => over.abort(), graceMs);
  });
  const end = await Promise.race([
    hub.failed,
    link.stopped.then(graceMs => () => hub.stop(graceMs > 0 ? undefined : AbortSignal.abort())),
    link.retired.then(graceMs => async () => {
      const limit = AbortSignal.any([AbortSignal.timeout(graceMs), over.signal]);
      await hub.retire(AbortSignal.any([AbortSignal.timeout(graceMs / 2), stopping.signal]));
      await hub.stop(limit);
    }),
  ]);
  if (typeof end === 'function') return end();
  hub.log.error({ err: end }, 'this process cannot go on');
  await hub.stop(AbortSignal.abort());
  throw end;
}
