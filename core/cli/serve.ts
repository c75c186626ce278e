import { HubError } from '../errors.js';
import type { Hub } from '../hub.js';
import type { CliContext } from './context.js';

const PROGRESS_MS = 2_000;
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * The signal to stop, listened for from now on; a second one ends the process at once. SIGHUP calls `reload`, where that is given; of a
 * terminal that is closed it means the end.
 */
export function stopSignal({ output }: Pick<CliContext, 'output'>, reload?: () => void): Promise<string> {
  return new Promise(resolve => {
    let stopping = false;
    const [names, hangUp] = reload && !output.isTTY ? [SIGNALS, reload] : [[...SIGNALS, 'SIGHUP'] as const, undefined];
    if (hangUp) process.on('SIGHUP', hangUp);
    for (const name of names) {
      process.on(name, () => {
        if (stopping) process.exit(1);
        stopping = true;
        resolve(name);
      });
    }
  });
}

/** Stops a hub that serves: transfers may go on for `shutdown.grace`, with their number told meanwhile. */
export async function stopServing(hub: Hub, signal: string): Promise<void> {
  hub.log.info({ signal, graceMs: hub.config.shutdown.grace, transfers: hub.transfers }, 'stopping; a second signal ends at once');
  const progress = setInterval(() => {
    const { transfers } = hub;
    if (transfers > 0) hub.log.info({ transfers }, 'waiting for transfers');
  }, PROGRESS_MS);
  await hub.stop();
  clearInterval(progress);
  hub.log.info({}, 'stopped');
}

/** Starts a hub. Throws a sentence for an address that cannot be listened on, where the protocol did not make one. */
export async function startHub(hub: Hub): Promise<void> {
  try {
    await hub.start();
  } catch (error) {
    throw listenFailure(error) ?? error;
  }
}

function listenFailure(error: unknown): HubError | undefined {
  const { code, syscall, address, port } = error as NodeJS.ErrnoException & { readonly address?: string; readonly port?: number };
  if (syscall !== 'listen' && syscall !== 'bind') return undefined;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program uses it',
    EACCES: 'ports below 1024 need a privilege that the hub does not have',
    EADDRNOTAVAIL: 'this machine has no such address',
  };
  return new HubError('unavailable', `Cannot listen on ${address ?? ''}:${port ?? ''}: ${reasons[code ?? ''] ?? code}`, { cause: error });
}
