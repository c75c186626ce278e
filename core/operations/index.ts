import type { ZodType, z } from 'zod';
import { didYouMean } from '../config/nearest.js';
import { HubError } from '../errors.js';
import { addressRuleOperations } from './address-rules.js';
import { adminOperations } from './admins.js';
import { apiKeyOperations } from './api-keys.js';
import { backupOperations } from './backups.js';
import { banOperations } from './bans.js';
import { brandingOperations } from './branding.js';
import { certificateOperations } from './certificates.js';
import { doctorOperations } from './doctor.js';
import { deliveryOperations, eventOperations } from './events.js';
import { extensionOperations } from './extensions.js';
import { hostKeyOperations } from './host-keys.js';
import { hubOperations } from './hub.js';
import { checkInput, type Operation } from './operation.js';
import { recorded } from './recorded.js';
import { replayOperations } from './replay.js';
import type { OperationServices } from './services.js';
import { storageOperations } from './storages.js';
import { targetOperations } from './targets.js';
import { trafficOperations } from './traffic.js';
import { userOperations } from './users.js';
import { webhookOperations } from './webhooks.js';

/** Everything that an administrator can do, by name. The command line and the web API are made of these. */
export const OPERATIONS = {
  ...userOperations,
  ...adminOperations,
  ...storageOperations,
  ...webhookOperations,
  ...targetOperations,
  ...eventOperations,
  ...deliveryOperations,
  ...replayOperations,
  ...hubOperations,
  ...trafficOperations,
  ...doctorOperations,
  ...backupOperations,
  ...banOperations,
  ...addressRuleOperations,
  ...apiKeyOperations,
  ...brandingOperations,
  ...hostKeyOperations,
  ...extensionOperations,
  ...certificateOperations,
};

export type OperationName = keyof typeof OPERATIONS;
/** What a caller may give: options with a default may be left out. */
export type OperationInput<N extends OperationName> = z.input<(typeof OPERATIONS)[N]['input']>;
export type OperationOutput<N extends OperationName> = Awaited<ReturnType<(typeof OPERATIONS)[N]['run']>>;

/** Checks `input`, does what `name` says for whoever holds the data directory, and records it as an act of the command line. Throws 'invalid-request' for an unknown name or an input that its schema refuses, and what the operation throws. */
export async function runOperation(services: OperationServices, name: string, input: unknown): Promise<unknown> {
  const operation = Object.hasOwn(OPERATIONS, name)
    ? (OPERATIONS[name as OperationName] as unknown as Operation<ZodType, unknown>)
    : undefined;
  if (!operation) throw new HubError('invalid-request', `There is no operation '${name}'${didYouMean(name, Object.keys(OPERATIONS))}`);
  const checked = checkInput(operation.input, input);
  return recorded(services, name, checked, () => operation.run(services, checked));
}
