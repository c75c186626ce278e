import { z } from 'zod';
import { HubError } from '../errors.js';
import { HUB_VERSION } from '../version.js';
import { operation } from './operation.js';

/** One process of a hub. */
export interface HubProcess {
  readonly name: string;
  readonly pid: number;
}

/** What administrators see of the hub as a whole. */
export const hubOperations = {
  'sessions.list': operation(z.strictObject({ user: z.string().optional() }), async ({ sessions }, { user }) => {
    return (await sessions.list()).filter(session => user === undefined || session.user === user);
  }),

  /** Ends a session; its client is dropped. */
  'sessions.end': operation(
    z.strictObject({ id: z.string(), reason: z.string().default('Ended by an administrator') }),
    async ({ sessions }, { id, reason }) => {
      const session = (await sessions.list()).find(other => other.id === id);
      if (!session) throw new HubError('not-found', `There is no session '${id}'; \`entrepot sessions list\` shows them`);
      await sessions.end(id, reason);
      return session;
    },
  ),

  /** What an extension reports under '<extension> <name>'. */
  'reports.show': operation(z.strictObject({ name: z.string() }), async ({ reports }, { name }) => {
    const make = reports.get(name);
    if (!make) throw new HubError('not-found', `Nothing reports '${name}'`);
    return make();
  }),

  /** Replaces the processes of a hub that has several, without refusing a client; those do it for it that hold them. */
  'hub.reload': operation(z.strictObject({}), async (): Promise<{ readonly processes: readonly HubProcess[] }> => {
    throw new HubError(
      'unsupported',
      'Only a hub of several processes can replace them while it serves (`workers`); this one has to be stopped and started',
    );
  }),

  'hub.status': operation(z.strictObject({}), async ({ dataDirectory, listeners, config, sessions, isReady }) => ({
    version: HUB_VERSION,
    pid: process.pid,
    node: config.node,
    dataDirectory,
    listeners,
    ready: isReady(),
    sessions: (await sessions.list()).length,
    uptimeMs: Math.round(process.uptime() * 1_000),
  })),
};
