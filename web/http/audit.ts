import { toHubError } from '#core/errors.js';
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

/** Runs what changes something, and records that it was done, or why it was refused. Reads, and what users do, leave no line. */
export async function audited<T>(
  { bus, log }: WebServices,
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
  const record = (refused?: string) =>
    bus
      .publish('admin.acted', { ...facts, ...(refused !== undefined && { refused }) })
      .catch((error: unknown) => log.warn({ err: error, action: route.id }, 'what an admin did could not be recorded'));
  try {
    const done = await work();
    await record();
    return done;
  } catch (error) {
    await record(toHubError(error).message);
    throw error;
  }
}

/** Throws `error`, for which a request is refused before it is run, and records it where an admin asked for a change. */
export function refused(services: WebServices, call: AuditedCall, error: unknown): Promise<never> {
  return audited(services, call, () => Promise.reject(error));
}
