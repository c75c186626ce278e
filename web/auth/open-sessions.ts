import { setTimeout as sleep } from 'node:timers/promises';
import { refusalOf } from '#core/auth/account.js';
import { IDLE_REASON, type Session, STOP_REASON } from '#core/auth/session.js';
import { HubError } from '#core/errors.js';
import type { WebServices } from '../services.js';
import type { Caller } from './caller.js';

/** How long the end of a session in another process is waited for. */
const ELSEWHERE_MS = 1_000;
const LOOK_MS = 10;
const LOGGED_OUT = 'Logged out';

/** Ends that concern the files alone: the browser stays logged in, and its files are opened again when it asks for them. */
const PASSING: ReadonlySet<unknown> = new Set([IDLE_REASON, STOP_REASON]);

/**
 * The sessions of the hub behind browser sessions and keys: one each, opened when files are asked for. Of a hub of several processes, each
 * that answers has one; the first counts, and they end together, at the latest when the browser is logged out or the key revoked.
 */
export class OpenSessions {
  readonly #open = new Map<string, Promise<Session>>();

  constructor(private readonly services: WebServices) {
    const warn = (error: unknown) => services.log.warn({ err: error }, 'a session could not be ended with that of its browser');
    services.operations.coordinator.listen('records.changed', ({ table, id }) => {
      if (table !== 'web_sessions' && table !== 'api_keys') return;
      const keys = id === undefined ? [...this.#open.keys()] : [table === 'api_keys' ? keyOf({ id }) : id];
      for (const key of keys) if (this.#open.has(key)) void this.#review(key).catch(warn);
    });
  }

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
    // It may have been ended while this was on its way.
    await this.#review(key);
    return session;
  }

  /** Ends one, when it is open; resolves when it is, in other processes after a second at the latest. */
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
    const ids = new Set((await coordinator.holders(groupOf(key))).map(({ id }) => id));
    for (const session of ids) coordinator.broadcast('session.end', { session, reason });
    const late = performance.now() + ELSEWHERE_MS;
    while (ids.size > 0 && performance.now() < late && (await coordinator.holders('sessions')).some(({ id }) => ids.has(id)))
      await sleep(LOOK_MS);
  }

  /** Ends one whose browser was logged out, or whose key was revoked. */
  async #review(key: string): Promise<void> {
    const { webSessions, apiKeys } = this.services.operations;
    const id = keyIdOf(key);
    if (await (id === undefined ? webSessions.exists(key) : apiKeys.exists(id))) return;
    const session = await this.#open.get(key)?.catch(() => undefined);
    await session?.end(LOGGED_OUT);
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

/** What the session behind a key is kept under; that behind a browser is under the id of its session. */
export function keyOf({ id }: { readonly id: string }): string {
  return `key ${id}`;
}

function keyIdOf(key: string): string | undefined {
  return key.startsWith('key ') ? key.slice('key '.length) : undefined;
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
