import type { UserRepository } from '../db/users.js';
import { type ErrorCode, HubError, toHubError } from '../errors.js';
import type { EventBus } from '../events/bus.js';
import type { Guards } from '../guards.js';
import type { Logger } from '../log.js';
import { canonicalAddress } from '../net.js';
import { refusalOf } from './account.js';
import { type Authenticators, type Credential, holdsKey, type LoginAttempt } from './authenticators.js';
import type { Admission, Defence } from './defence.js';
import type { Session, SessionRegistry } from './session.js';

/** What a client that may not come in is told, whatever the reason: it must not learn which users exist. */
const REFUSED = 'Login failed';

/** Failures that say nothing about the account: the client sees them as they are. */
const SHOWN: ReadonlySet<ErrorCode> = new Set(['permission-denied', 'rate-limited', 'too-many-sessions', 'unavailable']);

/** Lets users in: the order of checks is here, and nowhere else. */
export class LoginService {
  constructor(
    private readonly users: UserRepository,
    private readonly authenticators: Authenticators,
    private readonly defence: Defence,
    private readonly guards: Guards,
    private readonly sessions: SessionRegistry,
    private readonly bus: EventBus,
    private readonly log: Logger,
  ) {}

  /**
   * Counts a new connection from `remoteAddress` before anything is said to it, until release(): after the login or
   * when the connection closes. Undefined when it must be dropped: the limits of unauthenticated connections are reached.
   */
  admit(remoteAddress: string): Admission | undefined {
    return this.defence.admit(canonicalAddress(remoteAddress));
  }

  /** Whether a signature by this key could log `username` in. For SSH, which asks before it signs. */
  async acceptsKey(username: string, key: Extract<Credential, { kind: 'public-key' }>): Promise<boolean> {
    const user = await this.users.findByUsername(username);
    return user !== undefined && user.status === 'active' && holdsKey(user, key.data);
  }

  /**
   * Checks the address, the authenticators, account status, protocol and address rules, guards and session limits, in this
   * order, and publishes 'login.succeeded' or 'login.failed' with the reason.
   * Throws 'authentication-failed', 'permission-denied', 'rate-limited', 'too-many-sessions' or 'unavailable'.
   */
  async login(attempt: LoginAttempt): Promise<Session> {
    const known = { ...attempt, remoteAddress: canonicalAddress(attempt.remoteAddress) };
    try {
      return await this.#login(known);
    } catch (error) {
      const failure = toHubError(error);
      await this.#refused(known, failure);
      if (SHOWN.has(failure.code)) throw failure;
      throw new HubError(failure.code === 'authentication-failed' ? 'authentication-failed' : 'unavailable', REFUSED, { cause: failure });
    }
  }

  async #login(attempt: LoginAttempt): Promise<Session> {
    const { protocol, remoteAddress } = attempt;
    if (this.defence.isBlocked(remoteAddress))
      throw new HubError('rate-limited', 'Too many failed logins from this address, try again later');
    const recognised = await this.authenticators.recognise(attempt);
    if (!recognised) throw new HubError('authentication-failed', await this.#explain(attempt));
    const { user, method } = recognised;
    const refusal = refusalOf(user, attempt);
    if (refusal !== undefined) throw new HubError('authentication-failed', refusal);
    await this.guards.ask('login', { user: user.username, protocol, remoteAddress });
    const session = await this.sessions.create(user, { protocol, remoteAddress, tls: attempt.tls ?? true });
    try {
      await this.bus.publish('login.succeeded', { session: session.info, method });
    } catch (error) {
      await session.end('The login could not be recorded');
      throw error;
    }
    void this.users
      .recordLogin(user.id, new Date())
      .catch((error: unknown) => this.log.warn({ err: error, user: user.username }, 'time of login could not be recorded'));
    return session;
  }

  async #refused(attempt: LoginAttempt, failure: HubError): Promise<void> {
    const { username: user = '', protocol, remoteAddress } = attempt;
    this.log.info(
      { user, protocol, remoteAddress, reason: failure.message, ...(failure.code === 'internal' && { err: failure.cause }) },
      'login failed',
    );
    if (failure.code === 'authentication-failed') await this.defence.failed(remoteAddress);
    // A blocked address must not fill the event log.
    if (failure.code === 'rate-limited') return;
    await this.bus
      .publish('login.failed', { user: user.slice(0, 255), protocol, remoteAddress, reason: failure.message })
      .catch((error: unknown) => this.log.warn({ err: error }, 'login.failed could not be recorded'));
  }

  /** For the operator alone. */
  async #explain({ username, credentials }: LoginAttempt): Promise<string> {
    const user = username ? await this.users.findByUsername(username) : undefined;
    if (!user) return 'No such user';
    if (credentials.some(({ kind }) => kind === 'public-key')) return 'The key is not known';
    return user.hasPassword ? 'Wrong password' : 'The user has no password';
  }
}
