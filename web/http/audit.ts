import type { Admin } from '#core/db/admin.js';
import type { EventTypes } from '#core/events/types.js';
import { withOutcome } from '#core/operations/recorded.js';
import type { Caller } from '../auth/caller.js';
import type { WebServices } from '../services.js';
import type { Client } from './client.js';
import type { Route } from './route.js';

/** What an admin asked for. */
export interface AuditedCall {
  readonly route: Route;
  readonly caller: Caller | undefined;
  readonly client: Client;
  readonly params: unknown;
  readonly body: unknown;
}

/** Records what an admin did, or was refused. It is only logged when that fails. */
export async function recordAct({ bus, log }: WebServices, act: EventTypes['admin.acted']): Promise<void> {
  await bus
    .publish('admin.acted', act)
    .catch((error: unknown) => log.warn({ err: error, action: act.action }, 'what an admin did could not be recorded'));
}

/** Records that an admin has logged in, by his password or, where it is named, by a provider of single sign-on. */
export function recordLogin(
  services: WebServices,
  { username, role }: Admin,
  { remoteAddress }: Pick<Client, 'remoteAddress'>,
  provider = '',
): Promise<void> {
  return recordAct(services, { admin: username, role, remoteAddress, action: 'session.create', target: provider, fields: [] });
}

/** Runs what changes something, and records that it was done, or why it was refused. Reads, and what users do, leave no line. */
export async function audited<T>(
  services: WebServices,
  { route, caller, client, params, body }: AuditedCall,
  work: () => Promise<T>,
): Promise<T> {
  if (route.method === 'GET' || caller?.kind !== 'admin') return work();
  const facts = {
    admin: caller.account.username,
    role: caller.account.role,
    remoteAddress: client.remoteAddress,
    action: route.id,
    target: Object.values((params ?? {}) as Record<string, unknown>)
      .map(String)
      .join(' ')
      .slice(0, 512),
    fields:
      typeof body === 'object' && body !== null && !Buffer.isBuffer(body)
        ? Object.keys(body)
            .slice(0, 50)
            .map(name => name.slice(0, 100))
        : [],
  };
  const record = (refused?: string) => recordAct(services, { ...facts, ...(refused !== undefined && { refused }) });
  return withOutcome(work, record);
}

/** Throws `error`, for which a request is refused before it is run, and records it where an admin asked for a change. */
export function refused(services: WebServices, call: AuditedCall, error: unknown): Promise<never> {
  return audited(services, call, () => Promise.reject(error));
}
