import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ControlClient } from '../control.js';
import { HubError } from '../errors.js';
import type { OperationInput, OperationName, OperationOutput } from '../operations/index.js';
import type { CliContext, GlobalOptions } from './context.js';

/** Does operations, wherever. */
export interface Caller {
  /** Whether a running hub does them. */
  readonly live: boolean;
  call<N extends OperationName>(name: N, input: OperationInput<N>): Promise<OperationOutput<N>>;
}

/** What a command that needs operations says. */
export interface ConnectOptions {
  /** Whether the data directory may be made by it; a command that only reads would hide a typing error that way. */
  readonly creates?: boolean;
}

/**
 * Calls `work` with the running hub of the data directory, or with one that is opened for it: without listeners, and
 * closed at the end. Throws 'not-found' when there is no data directory.
 */
export async function withHub<T>(
  context: CliContext,
  options: GlobalOptions,
  work: (caller: Caller) => Promise<T>,
  { creates = false }: ConnectOptions = {},
): Promise<T> {
  const client = await ControlClient.connect(options.dataDir);
  if (!client) return withOpened(context, options, work, creates);
  try {
    // Both ends are of one version, and the other end checks the input.
    return await work({ live: true, call: (name, input) => client.call(name, input) as Promise<never> });
  } finally {
    client.close();
  }
}

async function withOpened<T>(
  context: CliContext,
  options: GlobalOptions,
  work: (caller: Caller) => Promise<T>,
  creates: boolean,
): Promise<T> {
  const exists = await stat(options.dataDir).then(
    () => true,
    () => false,
  );
  if (!exists && !creates) {
    throw new HubError(
      'not-found',
      `There is no data directory ${resolve(options.dataDir)}; \`${context.program} start\` makes it, and --data-dir names another one`,
    );
  }
  const [{ Hub }, { createLogger }, { runOperation }, { servicesOf }, shipped] = await Promise.all([
    import('../hub.js'),
    import('../log.js'),
    import('../operations/index.js'),
    import('../operations/hub-services.js'),
    context.loadShipped(),
  ]);
  const hub = await Hub.open({
    dataDirectory: options.dataDir,
    configFile: options.config,
    env: context.env,
    ...shipped,
    log: createLogger('warn', 'auto'),
  });
  try {
    const services = servicesOf(hub);
    return await work({ live: false, call: (name, input) => runOperation(services, name, input) as Promise<never> });
  } finally {
    await hub.stop(AbortSignal.abort());
  }
}
