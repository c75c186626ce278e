import { HubError, z } from '#core/api.js';
import { MIN_ADMIN_PASSWORD } from '#core/operations/admins.js';
import { OPERATIONS } from '#core/operations/index.js';
import type { Caller } from '../auth/caller.js';
import { endSession } from '../auth/log-in.js';
import { type Call, defineRoute, type Route } from '../http/route.js';
import { newPassword, publicKeySchema, time } from './schemas.js';

const webSessionSchema = z
  .object({
    id: z.string(),
    remoteAddress: z.string(),
    userAgent: z.string(),
    createdAt: time,
    lastUsedAt: time,
    current: z.boolean().describe('Whether it is the one that asks'),
  })
  .meta({ id: 'WebSession' });

const profileSchema = z
  .object({
    kind: z.enum(['admin', 'user']),
    username: z.string(),
    role: z.string().optional(),
    hasPassword: z.boolean(),
    secondFactor: z.boolean(),
    keys: z.array(publicKeySchema).describe('Of a user'),
    createdAt: time,
    lastLoginAt: time.nullable(),
    expiresAt: time.nullable(),
  })
  .meta({ id: 'Profile' });

/** What everybody does with his own account. */
export const meRoutes: readonly Route[] = [
  defineRoute({
    id: 'me.show',
    method: 'GET',
    path: '/me',
    summary: 'Show my profile',
    access: 'login',
    response: profileSchema,
    handle: async ({ caller, services }) => {
      const { account } = caller;
      return {
        kind: caller.kind,
        username: account.username,
        ...(caller.kind === 'admin' && { role: caller.account.role }),
        hasPassword: account.hasPassword,
        secondFactor: await services.secondFactors.isOn(caller.kind, account.id),
        keys: caller.kind === 'user' ? [...caller.account.keys] : [],
        createdAt: account.createdAt,
        lastLoginAt: account.lastLoginAt ?? null,
        expiresAt: (caller.kind === 'user' && caller.account.expiresAt) || null,
      };
    },
  }),

  defineRoute({
    id: 'me.password',
    method: 'POST',
    path: '/me/password',
    summary: 'Change my password; my other browser sessions end',
    access: 'login',
    keys: false,
    body: z.strictObject({ current: z.string().max(1_024), password: newPassword }).meta({ id: 'PasswordChange' }),
    handle: async call => {
      await requirePassword(call, call.body.current);
      const { caller, services, body } = call;
      const { admins, users, webSessions } = services.operations;
      if (caller.kind === 'admin' && body.password.length < MIN_ADMIN_PASSWORD)
        throw new HubError('invalid-request', `Expected at least ${MIN_ADMIN_PASSWORD} characters`, { field: 'password' });
      const passwordHash = await services.passwords.hash(body.password);
      const { id, version } = caller.account;
      if (caller.kind === 'admin') await admins.update(id, { passwordHash }, version);
      else await users.update(id, { passwordHash }, version);
      await webSessions.endAll(caller.kind, id, caller.session?.id);
    },
  }),

  defineRoute({
    id: 'me.keys.add',
    method: 'POST',
    path: '/me/keys',
    summary: 'Add a public key of mine',
    access: 'user',
    keys: false,
    status: 201,
    body: z.strictObject({ key: z.string().min(1).max(20_000) }).meta({ id: 'MyKeyCreate' }),
    response: publicKeySchema,
    failures: [409],
    handle: ({ caller, body, services }) =>
      OPERATIONS['users.keys.add'].run(services.operations, { username: caller.account.username, key: body.key }),
  }),

  defineRoute({
    id: 'me.keys.remove',
    method: 'DELETE',
    path: '/me/keys/{fingerprint}',
    summary: 'Take a public key of mine away',
    access: 'user',
    keys: false,
    params: z.strictObject({ fingerprint: z.string().min(1).max(100) }),
    failures: [404],
    handle: async ({ caller, params, services }) => {
      const input = { username: caller.account.username, key: params.fingerprint };
      await OPERATIONS['users.keys.remove'].run(services.operations, input);
    },
  }),

  defineRoute({
    id: 'me.sessions.list',
    method: 'GET',
    path: '/me/sessions',
    summary: 'List the browsers that are logged in as me',
    access: 'login',
    keys: false,
    response: z.object({ items: z.array(webSessionSchema) }).meta({ id: 'WebSessions' }),
    handle: async ({ caller, services }) => {
      const { sessionIdle, sessionLifetime } = services.options;
      const all = await services.operations.webSessions.of(caller.kind, caller.account.id, Date.now() - sessionIdle);
      const items = all.filter(({ createdAt }) => createdAt > Date.now() - sessionLifetime);
      return { items: items.map(session => ({ ...session, current: session.id === caller.session?.id })) };
    },
  }),

  defineRoute({
    id: 'me.sessions.end',
    method: 'DELETE',
    path: '/me/sessions/{id}',
    summary: 'Log a browser of mine out',
    access: 'login',
    keys: false,
    params: z.strictObject({ id: z.string().min(1).max(64) }),
    failures: [404],
    handle: async ({ caller, params, services }) => {
      if (!(await endSession(services, { kind: caller.kind, ownerId: caller.account.id, id: params.id })))
        throw new HubError('not-found', 'There is no such session');
    },
  }),
];

/** Throws 'permission-denied' unless the password is the caller's own; wrong ones count as failed logins. */
export async function requirePassword(
  { caller, client, services }: Pick<Call, 'caller' | 'client' | 'services'>,
  password: string,
  field = 'current',
): Promise<void> {
  const { defence, passwords } = services;
  const { username } = caller.account;
  if (defence.isBanned(client.remoteAddress) || defence.isUserBanned(username))
    throw new HubError('rate-limited', 'Too many wrong passwords, try again later');
  if (await passwords.verify(await hashOf(caller, services), password)) return;
  await defence.failed(client.remoteAddress, username);
  throw new HubError('permission-denied', 'The password is wrong', { field });
}

async function hashOf(caller: Caller, { operations }: Call['services']): Promise<string | undefined> {
  return caller.kind === 'admin' ? operations.admins.passwordHash(caller.account.id) : operations.users.passwordHash(caller.account.id);
}
