import { resolve } from 'node:path';
import { Workers } from '../cluster/workers.js';
import type { Config } from '../config/schema.js';
import { ControlServer, type RunFile } from '../control.js';
import { makeDataDirectory } from '../data-directory.js';
import { SoleUse, sqliteFile } from '../db/sole-use.js';
import { HubError } from '../errors.js';
import { createLogger } from '../log.js';
import { HUB_VERSION } from '../version.js';
import type { CliContext, GlobalOptions } from './context.js';
import { stopSignal } from './serve.js';

const STATUS_MS = 1_500;

/** Runs the hub in `serving` processes and one for jobs, until it is told to stop. Throws what the first of them throws that cannot start. */
export async function runPrimary(context: CliContext, options: GlobalOptions, config: Config, serving: number): Promise<void> {
  const dataDirectory = resolve(options.dataDir);
  await makeDataDirectory(dataDirectory);
  const log = createLogger(config.log.level, config.log.format).child({ worker: 'primary' });
  const graceMs = config.shutdown.grace;
  const workers = new Workers({ serving, graceMs, noticeMs: config.shutdown.readinessDelay, log });
  let listeners: RunFile['listeners'] = [];
  const status = async () => {
    const told = workers.operate('hub.status', {}).catch(() => ({}));
    const known = await Promise.race([told, new Promise(done => setTimeout(done, STATUS_MS, {}).unref())]);
    const own = { version: HUB_VERSION, pid: process.pid, node: config.node, dataDirectory, listeners, ready: workers.isReady };
    return { sessions: 0, ...(known as object), ...own, uptimeMs: Math.round(process.uptime() * 1_000), processes: workers.list() };
  };
  const control = await ControlServer.claim(dataDirectory, async (name, input) => {
    if (name === 'hub.status') return status();
    if (name !== 'hub.reload') return workers.operate(name, input);
    await workers.reload();
    return { processes: workers.list() };
  });
  let soleUse: SoleUse | undefined;
  try {
    const file = sqliteFile({ ...config.database, dataDirectory });
    if (file !== undefined) soleUse = await SoleUse.take(file);
    const told = stopSignal(context, () => {
      workers.reload().catch((error: unknown) => log.error({ err: error }, 'the processes could not be replaced; those before them go on'));
    });
    const end = Promise.race([told, workers.failed]);
    const started = workers.start();
    const early = await Promise.race([started, end]);
    if (early instanceof HubError) throw early;
    if (typeof early !== 'string') {
      listeners = early as RunFile['listeners'];
      await control.announce(listeners);
    }
    started.catch(() => undefined);
    const reason = await end;
    await control.retract();
    if (typeof reason !== 'string') throw reason;
    log.info({ signal: reason, graceMs }, 'stopping; a second signal ends at once');
    await workers.stop();
    log.info({}, 'stopped');
  } catch (error) {
    await workers.stop(0);
    throw error;
  } finally {
    soleUse?.release();
    await control.close();
  }
}
