import { toHubError } from '../errors.js';
import type { EventTypes } from '../events/types.js';
import type { Location } from './mounts.js';
import { parentOf, type VirtualPath } from './path.js';
import type { SessionScope, VfsServices } from './scope.js';

type OperationType =
  | 'file.deleted'
  | 'file.renamed'
  | 'file.copied'
  | 'file.linked'
  | 'directory.created'
  | 'directory.deleted'
  | 'directory.renamed';

interface Extra {
  readonly target?: string;
  readonly targetStoragePath?: string;
  readonly size?: number;
  readonly replaced?: boolean;
}

/** A change of the storage that is not a transfer. */
export interface Operation {
  readonly type: OperationType;
  readonly location: Location;
  /** Where it leads, for those with two places. */
  readonly target?: Location;
  /** What the event says beside the place: the target as the user sees it, the size, whether a file was replaced. */
  readonly extra?: Extra | (() => Promise<Extra>);
  /** The place at which recovery sees whether it happened, and what is there before: see OperationProof. */
  readonly proof: { readonly at: Location; readonly before: string };
  readonly operate: () => Promise<void>;
}

/**
 * Does an operation with its event recorded before and made deliverable after: an acknowledged operation has its event, and
 * an event its operation. Waits for other changes of the same places. Throws what the operation throws, and then no event remains.
 */
export async function recordOperation(scope: SessionScope, services: VfsServices, operation: Operation): Promise<void> {
  const { type, location, target } = operation;
  const make = () => record(scope, services, operation);
  const places = target ? [location, target] : [location];
  if (type === 'directory.renamed') return services.order.move(places, make);
  if (type !== 'file.copied' || !target) return services.order.change(places, make);
  // A copy takes as long as it takes, and others do not wait for it.
  return services.order.begin(target, async place => {
    await make();
    services.order.note(target);
    place.leave();
  });
}

async function record(scope: SessionScope, services: VfsServices, operation: Operation): Promise<void> {
  const { type, location, proof } = operation;
  const extra = typeof operation.extra === 'function' ? await operation.extra() : operation.extra;
  const data = { path: location.path, session: scope.info, storage: location.storage, storagePath: location.storagePath, ...extra };
  const place = { storage: proof.at.storage, path: proof.at.storagePath, before: proof.before };
  const pending = await services.bus.prepare(type, data as EventTypes[OperationType], place).catch((error: unknown) => {
    throw toHubError(error);
  });
  try {
    await operation.operate();
  } catch (error) {
    // Kept after all, it is judged at the next start: nothing has changed at its place.
    await pending.drop().catch((err: unknown) => services.log.warn({ err, type, path: location.path }, 'an event could not be dropped'));
    throw toHubError(error);
  }
  if (services.durable) await flushDirectories([location, operation.target], services);
  pending.settle();
}

/** The change is there for all to see: a directory that cannot be flushed is worth a warning, never a "failed". */
async function flushDirectories(locations: readonly (Location | undefined)[], { log }: VfsServices): Promise<void> {
  const folders = new Map(
    locations.filter(place => place !== undefined).map(place => [parentOf(place.storagePath as VirtualPath), place.backend]),
  );
  for (const [folder, backend] of folders) {
    await backend
      .syncDirectory?.(folder)
      .catch((error: unknown) => log.warn({ err: error, path: folder }, 'directory could not be flushed'));
  }
}
