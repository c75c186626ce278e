import { z } from 'zod';
import type { PartFailure } from '../extensions/health.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';

/** An extension that is loaded, without how it does. */
export interface LoadedExtensionInfo {
  readonly name: string;
  /** The package or path, as the configuration names it. */
  readonly key: string;
  /** Undefined where neither the extension nor a package.json beside it tells one. */
  readonly version: string | undefined;
  /** The range of the extension API that it was written for. */
  readonly api: string;
  /** 'protocol sftp', 'storage local', 'action webhook'. */
  readonly registered: readonly string[];
  /** What failed when it ran last, the latest first. */
  readonly failures: readonly PartFailure[];
}

/** What administrators see of extensions. One that cannot be loaded keeps the hub from starting, so all that are listed are. */
export const extensionOperations = {
  /** In the order in which they were registered. One is failing while a part of it failed when it ran last, or a delivery to its handlers was given up. */
  'extensions.list': operation(z.strictObject({}), async services =>
    Promise.all(
      services.extensions().map(async ({ failures, ...info }) => {
        const deadDeliveries = await deadOf(services, info);
        const state = failures.length + deadDeliveries === 0 ? ('ok' as const) : ('failing' as const);
        return { ...info, health: { state, deadDeliveries, failures: failures.map(({ part, at, message }) => ({ part, at, message })) } };
      }),
    ),
  ),
};

async function deadOf({ deliveries }: OperationServices, { name, registered }: Omit<LoadedExtensionInfo, 'failures'>): Promise<number> {
  if (!registered.some(part => part.startsWith('handler '))) return 0;
  return (await deliveries.page({ state: 'dead', targetPrefix: `handler/${name}/` }, undefined, 1)).total;
}
