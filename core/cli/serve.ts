import { setInterval } from 'node:timers';
import { HubError } from '../errors.js';
import type { Hub } from '../hub.js';

const PROGRESS_MS = 2_000;
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Resolves when a started hub has stopped after SIGTERM or SIGINT: transfers may go on for `shutdown.grace`, with their
 * number told meanwhile. A second signal ends the process at once. `onStopping` runs first.
 */
export async function serveUntilSignal(hub: Hub, onStopping: () => Promise<void>): Promise<void> {
  const signal = await new Promise<string>(resolve => {
    for (const name of SIGNALS) process.once(name, resolve);
  });
  for (const name of SIGNALS) process.once(name, () => process.exit(1));
  hub.log.info({ signal, graceMs: hub.config.shutdown.grace, transfers: hub.transfers }, 'stopping; a second signal ends at once');
  await onStopping();
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
