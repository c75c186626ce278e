import { z } from '#core/api.js';
import { USER_ORDERS } from '#core/db/user.js';
import type { User } from '#core/db/users.js';
import { OPERATIONS } from '#core/operations/index.js';
import { requireOwnerForBackups } from '../auth/owners-only.js';
import { Answer, defineRoute, listQuery, orderOf, pageOf, type Route } from '../http/route.js';
import type { WebServices } from '../services.js';
import { name, newPassword, publicKeySchema, userSchema, warning } from './schemas.js';

const settings = {
  home: z.string().max(4_200).optional().describe("'STORAGE:/path'; data:/<username> unless told"),
  description: z.string().max(1_000).optional(),
  permissions: z
    .record(z.string().max(4_096), z.array(z.string()).max(20).nullable())
    .optional()
    .describe("Rights by directory, merged with those there are; null takes a directory's entry away"),
  patterns: z
    .array(
      z.strictObject({
        path: z.string().max(4_096),
        allow: z.array(z.string().min(1)).max(1_000).optional(),
        deny: z.array(z.string().min(1)).max(1_000).optional(),
        hidden: z.boolean().optional(),
      }),
    )
    .max(1_000)
    .optional()
    .describe('Which names may be used, by directory, merged with those there are; empty lists take an entry away'),
  expiresAt: z.int().positive().nullable().optional().describe('Milliseconds since 1970; null for never'),
  protocols: z.array(z.string().max(64)).max(20).optional(),
  addresses: z.array(z.string().max(64)).max(1_000).optional(),
  maxSessions: z.int().min(1).max(1_000_000).nullable().optional(),
  methods: z.array(z.string().max(64)).max(10).optional(),
  mounts: z
    .array(z.strictObject({ path: z.string().max(4_096), target: z.string().max(4_200).describe("'STORAGE:/path'") }))
    .max(1_000)
    .optional()
    .describe('All mounts but the home, in place of those there are'),
};

const userName = z.strictObject({ name });
const createBody = z
  .strictObject({
    username: name,
    password: newPassword.optional().describe('One that is needed and not given is made'),
    keys: z.array(z.string().max(20_000)).max(100).optional().describe('Lines as in authorized_keys'),
    ...settings,
  })
  .meta({ id: 'UserCreate' });
const changeBody = z
  .strictObject({ password: newPassword.optional(), status: z.enum(['active', 'disabled']).optional(), ...settings })
  .meta({ id: 'UserChange' });

const orders = [...USER_ORDERS, 'name'] as const;

/** What admins do with users. */
export const userRoutes: readonly Route[] = [
  defineRoute({
    id: 'users.list',
    method: 'GET',
    path: '/users',
    summary: 'List users',
    access: 'viewer',
    query: z.strictObject({
      ...listQuery(orders),
      status: z.enum(['active', 'disabled']).optional(),
      storage: z.string().max(64).optional().describe('Those with a mount of it'),
    }),
    response: pageOf(userSchema, 'UserPage'),
    handle: async ({ query, services }) => {
      const { limit, offset, sort, ...filter } = query;
      const { order, descending } = orderOf(sort, 'username');
      const wanted = { order: order === 'name' ? ('username' as const) : order, descending, limit, offset };
      const { items, total } = await services.operations.users.window(filter, wanted);
      const on = await services.secondFactors.those(
        'user',
        items.map(({ id }) => id),
      );
      return { items: items.map(user => viewOf(user, on.has(user.id))), total, limit, offset };
    },
  }),

  defineRoute({
    id: 'users.add',
    method: 'POST',
    path: '/users',
    summary: 'Add a user',
    access: 'admin',
    status: 201,
    body: createBody,
    response: z
      .object({ user: userSchema, password: z.string().optional().describe('The one that was made; shown this once'), warning })
      .meta({ id: 'UserCreated' }),
    failures: [409],
    handle: async ({ body, caller, services }) => {
      requireOwnerForBackups(caller, services.operations, body);
      const { user, ...rest } = await OPERATIONS['users.add'].run(services.operations, body);
      const headers = { version: user.version, location: `/users/${encodeURIComponent(user.username)}` };
      return new Answer({ user: await userView(services, user), ...rest }, headers);
    },
  }),

  defineRoute({
    id: 'users.show',
    method: 'GET',
    path: '/users/{name}',
    summary: 'Show a user',
    access: 'viewer',
    params: userName,
    response: userSchema,
    failures: [404],
    handle: async ({ params, services }) => {
      const user = await OPERATIONS['users.show'].run(services.operations, { username: params.name });
      return new Answer(await userView(services, user), { version: user.version });
    },
  }),

  defineRoute({
    id: 'users.set',
    method: 'PATCH',
    path: '/users/{name}',
    summary: 'Change what is given of a user',
    access: 'admin',
    versioned: true,
    params: userName,
    body: changeBody,
    response: userSchema.extend({ warning }).meta({ id: 'UserChanged' }),
    failures: [404],
    handle: async ({ params, body, ifMatch, caller, services }) => {
      requireOwnerForBackups(caller, services.operations, body);
      const { warning, ...user } = await OPERATIONS['users.set'].run(services.operations, {
        ...body,
        username: params.name,
        version: ifMatch,
      });
      return new Answer({ ...(await userView(services, user)), warning }, { version: user.version });
    },
  }),

  defineRoute({
    id: 'users.remove',
    method: 'DELETE',
    path: '/users/{name}',
    summary: 'Delete a user; the files stay',
    access: 'admin',
    versioned: true,
    params: userName,
    failures: [404],
    handle: async ({ params, ifMatch, services }) => {
      await OPERATIONS['users.remove'].run(services.operations, { username: params.name, version: ifMatch });
    },
  }),

  defineRoute({
    id: 'users.reset-second-factor',
    method: 'DELETE',
    path: '/users/{name}/second-factor',
    summary: 'Ask a user for no code any more',
    access: 'admin',
    params: userName,
    failures: [404],
    handle: async ({ params, services }) => {
      await OPERATIONS['users.reset-second-factor'].run(services.operations, { username: params.name });
    },
  }),

  defineRoute({
    id: 'users.keys.list',
    method: 'GET',
    path: '/users/{name}/keys',
    summary: 'List the public keys of a user',
    access: 'viewer',
    params: userName,
    response: z.object({ items: z.array(publicKeySchema) }).meta({ id: 'PublicKeys' }),
    failures: [404],
    handle: async ({ params, services }) => ({
      items: [...(await OPERATIONS['users.show'].run(services.operations, { username: params.name })).keys],
    }),
  }),

  defineRoute({
    id: 'users.keys.add',
    method: 'POST',
    path: '/users/{name}/keys',
    summary: 'Add a public key to a user',
    access: 'admin',
    status: 201,
    params: userName,
    body: z.strictObject({ key: z.string().min(1).max(20_000).describe('A line as in authorized_keys') }).meta({ id: 'PublicKeyCreate' }),
    response: publicKeySchema,
    failures: [404, 409],
    handle: ({ params, body, services }) => OPERATIONS['users.keys.add'].run(services.operations, { username: params.name, key: body.key }),
  }),

  defineRoute({
    id: 'users.keys.remove',
    method: 'DELETE',
    path: '/users/{name}/keys/{fingerprint}',
    summary: 'Take a public key from a user',
    access: 'admin',
    params: z.strictObject({ name, fingerprint: z.string().min(1).max(100) }),
    failures: [404],
    handle: async ({ params, services }) => {
      await OPERATIONS['users.keys.remove'].run(services.operations, { username: params.name, key: params.fingerprint });
    },
  }),
];

/** A user as the API shows him. */
export async function userView({ secondFactors }: WebServices, user: User): Promise<z.input<typeof userSchema>> {
  return viewOf(user, await secondFactors.isOn('user', user.id));
}

function viewOf(user: User, secondFactor: boolean): z.input<typeof userSchema> {
  const { keys, mounts, patterns, permissions, protocols, addresses, methods } = user;
  return {
    ...user,
    secondFactor,
    keys: [...keys],
    mounts: [...mounts],
    patterns: patterns.map(({ allow, deny, ...rest }) => ({ ...rest, allow: [...allow], deny: [...deny] })),
    permissions: Object.fromEntries(Object.entries(permissions).map(([path, list]) => [path, [...list]])),
    protocols: [...protocols],
    addresses: [...addresses],
    methods: [...methods],
    expiresAt: user.expiresAt ?? null,
    maxSessions: user.maxSessions ?? null,
    lastLoginAt: user.lastLoginAt ?? null,
  };
}
