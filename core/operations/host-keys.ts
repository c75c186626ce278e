import { z } from 'zod';
import { HubError } from '../errors.js';
import type { HostKeyRing } from '../protocol.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';

const chosen = z.strictObject({ kind: z.string() });

/** What administrators do with the keys by which clients know the hub. */
export const hostKeyOperations = {
  'hostkeys.list': operation(z.strictObject({}), async services => ringOf(services).list()),

  /** Makes the next key of a kind; clients are told it, nothing is offered that was not before. */
  'hostkeys.add': operation(chosen, async (services, { kind }) => ringOf(services).add(kind)),

  /** Offers the next key of a kind to clients that come from now on. */
  'hostkeys.rotate': operation(chosen, async (services, { kind }) => ringOf(services).rotate(kind)),

  /** Forgets a key that is not offered, by its fingerprint. */
  'hostkeys.remove': operation(z.strictObject({ fingerprint: z.string() }), async (services, { fingerprint }) =>
    ringOf(services).remove(fingerprint),
  ),
};

function ringOf({ hostKeys }: OperationServices): HostKeyRing {
  if (!hostKeys) throw new HubError('not-found', 'No server of this hub has host keys');
  return hostKeys;
}
