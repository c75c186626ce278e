import { refusalOf } from '#core/auth/account.js';
import { IDLE_REASON, type Session, STOP_REASON } from '#core/auth/session.js';
import { HubError } from '#core/errors.js';
import type { WebServices } from '../services.js';
import type { Caller } from './caller.js';

/** Ends that concern the files alone: the browser stays logged in, and its files are opened again when it asks for them. */
const PASSING: ReadonlySet<unknown> = new Set([IDLE_REASON, STOP_REASON]);

/**
 * The sessions of the hub behind browser sessions and keys: one each, opened when files are asked for. Of a hub of several processes, each
 * that answers has one; the first counts, and they end together.
 */
export class OpenSessions {
  readonly #open = new Map<string, Promise<Session>>();

  constructor(private readonly services: WebServices) {}

  /** Keeps a session that a login opened. */
  adopt(key: string, session: Session): void {
    this.#keep(key, Promise.resolve(session));
    this.#follow(key, session);
  }

  /** The session of a user, opened unless there is one. Throws 'authentication-failed' when he may no longer be in, 'too-many-sessions' at a limit. */
  async of(
    caller: Extract<Caller, { kind: 'user' }>,
    key: string,
    client: { readonly remoteAddress: string; readonly tls: boolean },
  ): Promise<Session> {
    const open = this.#open.get(key);
    if (open) return open;
    const opening = this.#create(caller, key, client);
    this.#keep(key, opening);
    const session = await opening;
    this.#follow(key, session);
    return session;
  }

  /** Ends one, when it is open. */
  async end(key: string, reason: string): Promise<void> {
    const session = await this.#open.get(key)?.catch(() => undefined);
    await session?.end(reason);
    await this.#endElsewhere(key, reason);
  }

  async #create(
    { account }: Extract<Caller, { kind: 'user' }>,
    key: string,
    client: { readonly remoteAddress: string; readonly tls: boolean },
  ): Promise<Session> {
    const info = { protocol: 'web', ...client };
    const refusal = refusalOf(account, info);
    if (refusal !== undefined) throw new HubError('authentication-failed', 'Log in first');
    const { sessionRegistry, operations } = this.services;
    const { coordinator } = operations;
    const isCompanion = coordinator.isShared && (await coordinator.holders(groupOf(key))).length > 0;
    return sessionRegistry.create(account, info, isCompanion);
  }

  /** Lets the other processes know of it until it ends. */
  async #announce(key: string, { info, signal }: Session): Promise<void> {
    const { coordinator } = this.services.operations;
    if (!coordinator.isShared) return;
    const lease = await coordinator.acquire(groupOf(key), Infinity, { ...info, lastActivity: info.startedAt, transfers: [] });
    const release = () => void lease?.release();
    if (signal.aborted) release();
    else signal.addEventListener('abort', release, { once: true });
  }

  async #endElsewhere(key: string, reason: string): Promise<void> {
    const { coordinator } = this.services.operations;
    if (!coordinator.isShared) return;
    for (const { id } of await coordinator.holders(groupOf(key))) coordinator.broadcast('session.end', { session: id, reason });
  }

  #keep(key: string, session: Promise<Session>): void {
    this.#open.set(key, session);
    session.catch(() => this.#open.delete(key));
  }

  #follow(key: string, session: Session): void {
    const ended = () => {
      this.#open.delete(key);
      if (PASSING.has(session.signal.reason)) return;
      // An admin ended it, or the user may no longer be in: the browser is logged out as well.
      const { webSessions } = this.services.operations;
      void Promise.all([webSessions.end('user', session.user.id, key), this.#endElsewhere(key, String(session.signal.reason))]).catch(
        (error: unknown) => this.services.log.warn({ err: error }, 'a browser session could not be ended'),
      );
    };
    void this.#announce(key, session).catch((error: unknown) =>
      this.services.log.warn({ err: error }, 'a browser session could not be told of'),
    );
    if (session.signal.aborted) ended();
    else session.signal.addEventListener('abort', ended, { once: true });
  }
}

function groupOf(key: string): string {
  return `web/${key}`;
}

const all = new WeakMap<WebServices, OpenSessions>();

/** Those of a web server. */
export function openFor(services: WebServices): OpenSessions {
  let sessions = all.get(services);
  if (!sessions) {
    sessions = new OpenSessions(services);
    all.set(services, sessions);
  }
  return sessions;
}
