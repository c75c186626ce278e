import { HubError, z } from '#core/api.js';
import { API_KEY_SCOPES, type ApiKey } from '#core/db/api-key.js';
import { OPERATIONS } from '#core/operations/index.js';
import { hasRole } from '../auth/caller.js';
import { type Call, defineRoute, type Route } from '../http/route.js';
import { wholeList } from '../http/whole-list.js';
import { name, time } from './schemas.js';

const keySchema = z
  .object({
    id: z.string(),
    kind: z.enum(['admin', 'user']),
    owner: z.string().nullable().describe('Name of the account; null when it is gone'),
    name: z.string(),
    prefix: z.string(),
    scope: z.enum(API_KEY_SCOPES),
    createdAt: time,
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable(),
  })
  .meta({ id: 'ApiKey' });

type KeyView = z.input<typeof keySchema>;

const LIST = wholeList(({ name, owner, prefix, scope }: KeyView) => [name, owner, prefix, scope], {
  name: ({ name }) => name,
  owner: ({ owner }) => owner,
  scope: ({ scope }) => scope,
  createdAt: ({ createdAt }) => createdAt,
  expiresAt: ({ expiresAt }) => expiresAt,
  lastUsedAt: ({ lastUsedAt }) => lastUsedAt,
});

/** Keys of programs: everybody makes and revokes his own, owners see and revoke all. */
export const apiKeyRoutes: readonly Route[] = [
  defineRoute({
    id: 'api-keys.list',
    method: 'GET',
    path: '/api-keys',
    summary: 'List my keys; for owners, with all=true, those of everybody',
    access: 'login',
    query: z.strictObject({ all: z.enum(['true', 'false']).default('false'), ...LIST.query }),
    response: z.object({ items: z.array(keySchema), total: z.int() }).meta({ id: 'ApiKeys' }),
    handle: async call => {
      const { caller, query, services } = call;
      if (query.all === 'true') requireOwner(call);
      const keys =
        query.all === 'true'
          ? await services.operations.apiKeys.list()
          : await services.operations.apiKeys.of(caller.kind, caller.account.id);
      const { items, total } = LIST.page(await Promise.all(keys.map(key => keyView(call, key))), query);
      return { items: [...items], total };
    },
  }),

  defineRoute({
    id: 'api-keys.create',
    method: 'POST',
    path: '/api-keys',
    summary: 'Make a key with my rights; it is in the answer, this once',
    access: 'login',
    keys: false,
    status: 201,
    body: z
      .strictObject({
        name: name.max(100),
        scope: z.enum(API_KEY_SCOPES),
        expiresAt: z.int().positive().nullable().default(null).describe('Milliseconds since 1970; null for never'),
      })
      .meta({ id: 'ApiKeyCreate' }),
    response: z.object({ key: keySchema, token: z.string() }).meta({ id: 'ApiKeyCreated' }),
    failures: [409],
    handle: async call => {
      const { caller, body, services } = call;
      const { key, token } = await OPERATIONS['api-keys.create'].run(services.operations, {
        ...body,
        kind: caller.kind,
        owner: caller.account.username,
      });
      return { key: await keyView(call, key), token };
    },
  }),

  defineRoute({
    id: 'api-keys.remove',
    method: 'DELETE',
    path: '/api-keys/{id}',
    summary: 'Revoke a key of mine; for owners, any',
    access: 'login',
    keys: false,
    params: z.strictObject({ id: z.string().min(1).max(64) }),
    failures: [404],
    handle: async ({ caller, params, services }) => {
      const isOwner = caller.kind === 'admin' && hasRole(caller.account, 'owner');
      await services.operations.apiKeys.delete(params.id, isOwner ? undefined : { kind: caller.kind, ownerId: caller.account.id });
    },
  }),
];

function requireOwner({ caller }: Call): void {
  if (caller.kind !== 'admin' || !hasRole(caller.account, 'owner')) throw new HubError('permission-denied', 'This is for owners');
}

async function keyView({ caller, services }: Call, key: ApiKey): Promise<KeyView> {
  const { admins, users } = services.operations;
  const account =
    key.ownerId === caller.account.id ? caller.account : await (key.kind === 'admin' ? admins.find(key.ownerId) : users.find(key.ownerId));
  return { ...key, owner: account?.username ?? null, expiresAt: key.expiresAt ?? null, lastUsedAt: key.lastUsedAt ?? null };
}
