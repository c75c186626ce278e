import { z } from 'zod';
import { API_KEY_SCOPES, type ApiKey } from '../db/api-key.js';
import { HubError } from '../errors.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';
import { noSuchUser } from './strangers.js';

const kind = z.enum(['admin', 'user']);

/** A key as administrators see it, with whose it is; undefined when that account is gone. */
export type ApiKeyView = ApiKey & { readonly owner: string | undefined };

/** What owners do with the keys of programs. */
export const apiKeyOperations = {
  /** Those of everybody, the newest first. */
  'api-keys.list': operation(
    z.strictObject({}),
    async (services): Promise<readonly ApiKeyView[]> =>
      Promise.all((await services.apiKeys.list()).map(async key => ({ ...key, owner: await ownerOf(services, key) }))),
  ),

  /** Makes a key with the rights of an account; `token` is given this once. `expiresAt` is in ms since 1970. */
  'api-keys.create': operation(
    z.strictObject({
      kind: kind.default('admin'),
      owner: z.string().min(1).max(256),
      name: z.string().min(1).max(100),
      scope: z.enum(API_KEY_SCOPES),
      expiresAt: z.int().positive().nullable().default(null),
    }),
    async (services, { kind, owner, name, scope, expiresAt }) => {
      if (expiresAt !== null && expiresAt <= Date.now()) throw new HubError('invalid-request', 'The time is past', { field: 'expiresAt' });
      const { id, username } = await accountOf(services, kind, owner);
      const { key, token } = await services.apiKeys.create({ kind, ownerId: id, name, scope, expiresAt: expiresAt ?? undefined });
      return { key: { ...key, owner: username }, token };
    },
  ),

  /** Revokes a key, by its id. */
  'api-keys.remove': operation(z.strictObject({ id: z.string() }), async ({ apiKeys }, { id }) => apiKeys.delete(id)),
};

async function accountOf(services: OperationServices, kind: ApiKey['kind'], name: string) {
  const account = await (kind === 'admin' ? services.admins : services.users).findByUsername(name);
  if (account) return account;
  const why = kind === 'admin' ? `There is no admin '${name}'; \`entrepot admin list\` shows them` : await noSuchUser(services, name);
  throw new HubError('not-found', why, { field: 'owner' });
}

async function ownerOf({ admins, users }: OperationServices, { kind, ownerId }: ApiKey): Promise<string | undefined> {
  return (await (kind === 'admin' ? admins.find(ownerId) : users.find(ownerId)))?.username;
}
