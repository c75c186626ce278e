import { refusalOf } from '#core/auth/account.js';
import { IDLE_REASON, type Session, STOP_REASON } from '#core/auth/session.js';
import { HubError } from '#core/errors.js';
import type { WebServices } from '../services.js';
import type { Caller } from './caller.js';

/** Ends that concern the files alone: the browser stays logged in, and its files are opened again when it asks for them. */
const PASSING: ReadonlySet<unknown> = new Set([IDLE_REASON, STOP_REASON]);

/** The sessions of the hub behind browser sessions and keys: one each, opened when files are asked for. */
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
    const opening = this.#create(caller, client);
    this.#keep(key, opening);
    const session = await opening;
    this.#follow(key, session);
    return session;
  }

  /** Ends one, when it is open. */
  async end(key: string, reason: string): Promise<void> {
    const session = await this.#open.get(key)?.catch(() => undefined);
    await session?.end(reason);
  }

  async #create({ account }: Extract<Caller, { kind: 'user' }>, client: { readonly remoteAddress: string; readonly tls: boolean }) {
    const info = { protocol: 'web', ...client };
    const refusal = refusalOf(account, info);
    if (refusal !== undefined) throw new HubError('authentication-failed', 'Log in first');
    return this.services.sessionRegistry.create(account, info);
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
      void webSessions
        .end('user', session.user.id, key)
        .catch((error: unknown) => this.services.log.warn({ err: error }, 'a browser session could not be ended'));
    };
    if (session.signal.aborted) ended();
    else session.signal.addEventListener('abort', ended, { once: true });
  }
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
