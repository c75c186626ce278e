import { type LoginAttempt, z } from '#core/api.js';
import { ADMIN_ROLES } from '#core/db/admin.js';
import { toHubError } from '#core/errors.js';
import { MIN_ADMIN_PASSWORD } from '#core/operations/admins.js';
import type { Caller } from '../auth/caller.js';
import { withCookie } from '../auth/cookies.js';
import { endPrevious, endSession, startSession } from '../auth/log-in.js';
import { openFor } from '../auth/open-sessions.js';
import { recordAct, recordLogin } from '../http/audit.js';
import { type Call, defineRoute, type Route } from '../http/route.js';
import type { WebServices } from '../services.js';
import { name, rights } from './schemas.js';

const whoami = z
  .object({
    kind: z.enum(['admin', 'user']),
    name: z.string(),
    role: z.enum(ADMIN_ROLES).optional().describe('Of an admin'),
    permissions: z.record(z.string(), rights).optional().describe('Of a user: rights by directory'),
    secondFactor: z.boolean(),
    session: z.string().optional().describe('Its id; absent for a key'),
  })
  .meta({ id: 'WhoAmI' });

const credentials = z
  .strictObject({
    username: name,
    password: z.string().max(1_024),
    code: z.string().max(64).optional().describe('Of an authenticator app, or a recovery code'),
    scope: z.enum(['admin', 'user']),
  })
  .meta({ id: 'Credentials' });

/** Logging in and out, and the first owner. */
export const sessionRoutes: readonly Route[] = [
  defineRoute({
    id: 'session.create',
    method: 'POST',
    path: '/session',
    summary: 'Log in',
    description:
      "Sets the session's cookie. Answers 401 with the code 'second-factor-required' when the password is right and a code is wanted: send both again, with the code.",
    access: 'public',
    body: credentials,
    response: whoami,
    handle: async call => {
      const { body, client, services } = call;
      const { remoteAddress } = client;
      if (body.scope === 'admin') {
        const account = await services.adminLogin.login({ ...body, remoteAddress });
        await recordLogin(services, account, client);
        return begin(call, { kind: 'admin', account, session: undefined, key: undefined });
      }
      const attempt: LoginAttempt = {
        username: body.username,
        credentials: [
          { kind: 'password', password: body.password },
          ...(body.code === undefined ? [] : [{ kind: 'one-time-code', code: body.code } as const]),
        ],
        protocol: 'web',
        remoteAddress,
        tls: client.tls,
      };
      const session = await services.login.login(attempt, () => endPrevious(call));
      return begin(call, { kind: 'user', account: session.user, session: undefined, key: undefined }, id =>
        openFor(services).adopt(id, session),
      );
    },
  }),

  defineRoute({
    id: 'session.show',
    method: 'GET',
    path: '/session',
    summary: 'Who am I',
    access: 'login',
    response: whoami,
    handle: async ({ caller, services }) => describe(caller, services),
  }),

  defineRoute({
    id: 'session.end',
    method: 'DELETE',
    path: '/session',
    summary: 'Log out',
    access: 'login',
    keys: false,
    handle: async ({ caller, request, services, h }) => {
      const { session } = caller;
      if (session) await endSession(services, session);
      return withCookie(h.response().code(204), request, services.options, undefined);
    },
  }),

  defineRoute({
    id: 'sso.list',
    method: 'GET',
    path: '/sso',
    summary: 'List providers of single sign-on',
    description: "A browser begins at /sso/NAME/start?scope=admin|user&next=/path, and comes back with '?sso=CODE' where it failed.",
    access: 'public',
    response: z
      .object({ items: z.array(z.object({ name: z.string(), label: z.string(), start: z.string() }).meta({ id: 'SsoProvider' })) })
      .meta({ id: 'SsoProviders' }),
    handle: async ({ services: { options } }) => ({
      items: Object.entries(options.sso).map(([name, { label }]) => ({
        name,
        label: label ?? name,
        start: `${options.basePath}sso/${name}/start`,
      })),
    }),
  }),

  defineRoute({
    id: 'setup.show',
    method: 'GET',
    path: '/setup',
    summary: 'Whether the hub still needs its first owner',
    access: 'public',
    response: z.object({ needed: z.boolean() }).meta({ id: 'SetupState' }),
    handle: async ({ services }) => ({ needed: await services.setup.needed() }),
  }),

  defineRoute({
    id: 'setup.finish',
    method: 'POST',
    path: '/setup',
    summary: 'Make the first owner, and log in as him',
    description: "The token is in the link that the hub printed at its start: /setup#token=…, behind the '#' so that it reaches no log.",
    access: 'public',
    status: 201,
    body: z
      .strictObject({
        token: z.string().min(1).max(128),
        username: name,
        password: z.string().min(MIN_ADMIN_PASSWORD, `expected at least ${MIN_ADMIN_PASSWORD} characters`).max(1_024),
      })
      .meta({ id: 'SetupFinish' }),
    response: whoami,
    failures: [403, 409],
    handle: async call => {
      const { token, username, password } = call.body;
      const { services, client } = call;
      const { remoteAddress } = client;
      const account = await services.setup.finish(token, username, password).catch(async (error: unknown) => {
        const failure = { user: username, protocol: 'web', remoteAddress, reason: `Set-up: ${toHubError(error).message}` };
        await services.bus.publish('login.failed', failure).catch(() => undefined);
        throw error;
      });
      await recordAct(services, { admin: username, role: 'owner', remoteAddress, action: 'setup.finish', target: username, fields: [] });
      return begin(call, { kind: 'admin', account, session: undefined, key: undefined }, undefined, 201);
    },
  }),
];

async function begin(call: Call, caller: Caller, opened?: (webSession: string) => void, status = 200) {
  const { h } = call;
  const owner = { kind: caller.kind, ownerId: caller.account.id };
  const { id, onto } = await startSession(call, owner);
  opened?.(id);
  const response = h.response(whoami.parse({ ...(await describe(caller, call.services)), session: id })).code(status);
  return onto(response).header('cache-control', 'no-store');
}

async function describe(caller: Caller, { secondFactors }: WebServices): Promise<z.input<typeof whoami>> {
  const secondFactor = await secondFactors.isOn(caller.kind, caller.account.id);
  const shared = { name: caller.account.username, secondFactor, session: caller.session?.id };
  if (caller.kind === 'admin') return { kind: 'admin', role: caller.account.role, ...shared };
  const { permissions } = caller.account;
  return { kind: 'user', permissions: Object.fromEntries(Object.entries(permissions).map(([path, list]) => [path, [...list]])), ...shared };
}
