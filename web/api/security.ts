import { z } from '#core/api.js';
import type { AddressRule } from '#core/db/address-rules.js';
import type { Ban } from '#core/db/bans.js';
import { about, HubError } from '#core/errors.js';
import { OPERATIONS } from '#core/operations/index.js';
import type { SessionSnapshot } from '#core/session-info.js';
import { type Call, defineRoute, type Route } from '../http/route.js';
import { wholeList } from '../http/whole-list.js';
import { time } from './schemas.js';

export const sessionSchema = z
  .object({
    id: z.string(),
    user: z.string(),
    protocol: z.string(),
    tls: z.boolean(),
    remoteAddress: z.string(),
    startedAt: z.string(),
    lastActivity: z.string(),
    transfers: z.array(
      z
        .object({
          path: z.string(),
          direction: z.enum(['upload', 'download']),
          bytes: z.number(),
          size: z.number().optional().describe('Of the whole file, where that is known: not of an upload'),
        })
        .meta({ id: 'TransferNow' }),
    ),
  })
  .meta({ id: 'HubSession' });

const banSchema = z
  .object({ kind: z.enum(['address', 'user']), subject: z.string(), times: z.int(), reason: z.string(), since: time, until: time })
  .meta({ id: 'Ban' });

const ruleSchema = z
  .object({ id: z.string(), range: z.string(), action: z.enum(['allow', 'deny']), comment: z.string(), createdAt: time })
  .meta({ id: 'AddressRule' });

const SESSIONS = wholeList(({ user, protocol, remoteAddress }: SessionSnapshot) => [user, protocol, remoteAddress], {
  user: ({ user }) => user,
  protocol: ({ protocol }) => protocol,
  remoteAddress: ({ remoteAddress }) => remoteAddress,
  startedAt: ({ startedAt }) => startedAt,
  lastActivity: ({ lastActivity }) => lastActivity,
});

const BANS = wholeList(({ subject, kind, reason }: Ban) => [subject, kind, reason], {
  subject: ({ subject }) => subject,
  kind: ({ kind }) => kind,
  times: ({ times }) => times,
  since: ({ since }) => since,
  until: ({ until }) => until,
});

const RULES = wholeList(({ range, action, comment }: AddressRule) => [range, action, comment], {
  range: ({ range }) => range,
  action: ({ action }) => action,
  createdAt: ({ createdAt }) => createdAt,
});

/** Who is in, and who is kept out. */
export const securityRoutes: readonly Route[] = [
  defineRoute({
    id: 'sessions.list',
    method: 'GET',
    path: '/sessions',
    summary: 'List sessions of users, with their transfers',
    access: 'viewer',
    query: z.strictObject({ user: z.string().max(256).optional(), ...SESSIONS.query }),
    response: z.object({ items: z.array(sessionSchema), total: z.int() }).meta({ id: 'HubSessions' }),
    handle: async ({ query, services }) => {
      const { user } = query;
      const all = await OPERATIONS['sessions.list'].run(services.operations, user === undefined ? {} : { user });
      const { items, total } = SESSIONS.page(all, query);
      return { items: items.map(session => ({ ...session, transfers: [...session.transfers] })), total };
    },
  }),

  defineRoute({
    id: 'sessions.end',
    method: 'DELETE',
    path: '/sessions/{id}',
    summary: 'End a session; its client is dropped',
    access: 'operator',
    params: z.strictObject({ id: z.string().min(1).max(64) }),
    failures: [404],
    handle: async ({ params, services }) => {
      await OPERATIONS['sessions.end'].run(services.operations, { ...params, reason: 'Ended by an administrator' });
    },
  }),

  defineRoute({
    id: 'bans.list',
    method: 'GET',
    path: '/bans',
    summary: 'List addresses and users that are turned away because logins failed',
    access: 'viewer',
    query: z.strictObject(BANS.query),
    response: z.object({ items: z.array(banSchema), total: z.int() }).meta({ id: 'Bans' }),
    handle: async ({ query, services }) => {
      const { items, total } = BANS.page(await OPERATIONS['bans.list'].run(services.operations, {}), query);
      return { items: [...items], total };
    },
  }),

  defineRoute({
    id: 'bans.lift',
    method: 'DELETE',
    path: '/bans/{subject}',
    summary: 'Let an address, or a user, try again',
    access: 'operator',
    params: z.strictObject({ subject: z.string().min(1).max(256) }),
    failures: [404],
    handle: async ({ params, services }) => {
      await OPERATIONS['bans.lift'].run(services.operations, params);
    },
  }),

  defineRoute({
    id: 'address-rules.list',
    method: 'GET',
    path: '/address-rules',
    summary: 'List rules for addresses',
    access: 'viewer',
    query: z.strictObject(RULES.query),
    response: z.object({ items: z.array(ruleSchema), total: z.int() }).meta({ id: 'AddressRules' }),
    handle: async ({ query, services }) => {
      const { items, total } = RULES.page(await OPERATIONS['address-rules.list'].run(services.operations, {}), query);
      return { items: [...items], total };
    },
  }),

  defineRoute({
    id: 'address-rules.add',
    method: 'POST',
    path: '/address-rules',
    summary: "Add a rule: 'deny' keeps clients out, 'allow' wins over it and over bans",
    access: 'admin',
    status: 201,
    body: z
      .strictObject({ range: z.string().min(1).max(64), action: z.enum(['allow', 'deny']), comment: z.string().max(255).default('') })
      .meta({ id: 'AddressRuleCreate' }),
    response: ruleSchema,
    failures: [409],
    handle: async call => {
      const { body, services } = call;
      await about('range', () => refuseOwnLockout(call, rules => [...rules, body]));
      return OPERATIONS['address-rules.add'].run(services.operations, body);
    },
  }),

  defineRoute({
    id: 'address-rules.remove',
    method: 'DELETE',
    path: '/address-rules/{id}',
    summary: 'Delete a rule',
    access: 'admin',
    params: z.strictObject({ id: z.string().min(1).max(64) }),
    failures: [404, 409],
    handle: async call => {
      const { params, services } = call;
      await refuseOwnLockout(call, rules => rules.filter(({ id }) => id !== params.id));
      await OPERATIONS['address-rules.remove'].run(services.operations, params);
    },
  }),
];

/** An admin whose own address is kept out could not undo it. */
async function refuseOwnLockout(
  { client, services }: Pick<Call, 'client' | 'services'>,
  changed: (rules: readonly AddressRule[]) => readonly Pick<AddressRule, 'action' | 'range'>[],
): Promise<void> {
  const { remoteAddress } = client;
  const rules = await OPERATIONS['address-rules.list'].run(services.operations, {});
  if (!services.defence.isBannedUnder(changed(rules), remoteAddress)) return;
  const message = `This would keep out ${remoteAddress}, the address that you come from; \`entrepot address-rule\` on the command line can do it`;
  throw new HubError('conflict', message);
}
