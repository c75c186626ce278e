import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Proof, User, UserRepository } from '../db/users.js';
import { type ErrorCode, HubError, toHubError } from '../errors.js';
import type { EventBus } from '../events/bus.js';
import type { Guards } from '../guards.js';
import type { Logger } from '../log.js';
import { canonicalAddress } from '../net.js';
import { refusalOf } from './account.js';
import { type Authenticators, type Credential, holdsKey, type LoginAttempt } from './authenticators.js';
import type { Admission, AdmissionTerms, Defence } from './defence.js';
import { type NextProof, ProofRequired } from './proof-required.js';
import type { SecondFactors } from './second-factor.js';
import type { Session, SessionRegistry } from './session.js';

/** What a client that may not come in is told, whatever the reason: it must not learn which users exist. */
const REFUSED = 'Login failed';

/** Failures that say nothing about the account: the client sees them as they are. */
const SHOWN: ReadonlySet<ErrorCode> = new Set(['permission-denied', 'rate-limited', 'too-many-sessions', 'unavailable']);

/** What a stranger may try by the thousand. */
const GUESSABLE: ReadonlySet<Credential['kind']> = new Set(['password', 'one-time-code']);

/** What each credential proves by, in the words of a user's methods. */
const PROOF_OF: Partial<Record<Credential['kind'], Proof>> = {
  password: 'password',
  'public-key': 'publickey',
  'ssh-certificate': 'publickey',
  certificate: 'publickey',
};

/** Lets users in: the order of checks is here, and nowhere else. */
export class LoginService {
  constructor(
    private readonly users: UserRepository,
    private readonly authenticators: Authenticators,
    private readonly defence: Defence,
    private readonly guards: Guards,
    private readonly sessions: SessionRegistry,
    private readonly secondFactors: SecondFactors,
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

  /** Like admit(), for a connection to which nothing is said yet and that can wait: see Defence.admitInTurn(). */
  admitInTurn(remoteAddress: string, decided: (admission: Admission | undefined) => void, terms?: AdmissionTerms): () => void {
    return this.defence.admitInTurn(canonicalAddress(remoteAddress), decided, terms);
  }

  /** Whether a signature by this key, or by the one that this certificate is for, could log `username` in. For SSH, which asks before it signs. */
  async acceptsKey(username: string, key: Extract<Credential, { kind: 'public-key' | 'ssh-certificate' }>): Promise<boolean> {
    const user = await this.users.findByUsername(username);
    if (user?.status !== 'active' || !mayUse(user, 'publickey')) return false;
    return key.kind === 'public-key' ? holdsKey(user, key.data) : key.principals.includes(user.username);
  }

  /**
   * Checks the address, the authenticators, account status, protocol and address rules, the second factor, guards and session
   * limits, in this order, and publishes 'login.succeeded' or 'login.failed' with the reason.
   * The attempt holds every credential of the connection so far, in the order in which they were given, and each is checked anew.
   * Throws ProofRequired ('second-factor-required') when those are right and one more is wanted, which counts as no failure;
   * 'authentication-failed', 'permission-denied', 'rate-limited', 'too-many-sessions' or 'unavailable'. `beforeSession` runs when all but
   * the limits has been checked: for what the new session is to take the place of.
   */
  async login(attempt: LoginAttempt, beforeSession?: () => Promise<void>): Promise<Session> {
    const known = { ...attempt, remoteAddress: canonicalAddress(attempt.remoteAddress) };
    try {
      return await this.#login(known, beforeSession);
    } catch (error) {
      const failure = toHubError(error);
      if (failure.code === 'second-factor-required')
        throw failure instanceof ProofRequired ? failure : new ProofRequired(['one-time-code']);
      await this.#refused(known, failure);
      if (SHOWN.has(failure.code)) throw failure;
      throw new HubError(failure.code === 'authentication-failed' ? 'authentication-failed' : 'unavailable', REFUSED, { cause: failure });
    }
  }

  /**
   * Records a connection that ended without a login after its client had offered keys that do not log `username` in, and tried
   * nothing else: one failed login. `keys` are lines of an authorized_keys file.
   */
  async keysRefused(attempt: Omit<LoginAttempt, 'credentials'>, keys: readonly string[]): Promise<void> {
    const known = { ...attempt, credentials: [], remoteAddress: canonicalAddress(attempt.remoteAddress) };
    if (this.defence.isBanned(known.remoteAddress)) return;
    const reason = keys.length === 1 ? 'The key is not known' : 'None of the keys is known';
    await this.#refused(known, new HubError('authentication-failed', `${reason}: ${keys.map(fingerprintOf).join(', ')}`), keys);
  }

  async #login(attempt: LoginAttempt, beforeSession?: () => Promise<void>): Promise<Session> {
    const { protocol, remoteAddress } = attempt;
    if (this.defence.isBanned(remoteAddress))
      throw new HubError('rate-limited', 'Too many failed logins from this address, try again later');
    if (this.defence.isUserBanned(attempt.username ?? '') && attempt.credentials.some(({ kind }) => GUESSABLE.has(kind)))
      throw new HubError('authentication-failed', 'Too many failed logins of this user');
    const { user, method } = await this.#recognise(attempt);
    const refusal = refusalOf(user, attempt);
    if (refusal !== undefined) throw new HubError('authentication-failed', refusal);
    if (user.methods.length > 0) requireMethod(user, method);
    await this.#requireCode(user, attempt.credentials);
    await this.guards.ask('login', { user: user.username, protocol, remoteAddress });
    await beforeSession?.();
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

  /** Whoever has a second factor is asked for it, by whatever he has proven himself before. */
  async #requireCode({ id }: User, credentials: readonly Credential[]): Promise<void> {
    if (!(await this.secondFactors.isOn('user', id))) return;
    const given = credentials.findLast(credential => credential.kind === 'one-time-code');
    if (!given) throw new ProofRequired(['one-time-code']);
    if (!(await this.secondFactors.verify('user', id, given.code)))
      throw new HubError('authentication-failed', 'The one-time code is wrong, or was used before');
  }

  /** Whom the credentials are of, each verified once; `method` names all of them for a user with methods, else the authenticator. */
  async #recognise(attempt: LoginAttempt): Promise<{ readonly user: User; readonly method: string }> {
    const { username } = attempt;
    if (username && (await this.users.isBoundToMethods(username))) {
      const named = await this.users.findByUsername(username);
      if (named) return this.#recogniseEach(named, attempt);
    }
    const recognised = await this.authenticators.recognise(attempt);
    if (!recognised) throw new HubError('authentication-failed', await this.#explain(attempt));
    const { user } = recognised;
    // He is known by his credential alone, or was given methods just now.
    return user.methods.length > 0 ? this.#recogniseEach(user, attempt) : recognised;
  }

  /** Credentials that are of no use are verified all the same, and whatever comes of it they are refused: a guess learns nothing, not from the time either. */
  async #recogniseEach(user: User, attempt: LoginAttempt): Promise<{ readonly user: User; readonly method: string }> {
    const codes = attempt.credentials.filter(({ kind }) => kind === 'one-time-code');
    const proofs = attempt.credentials.filter(({ kind }) => kind !== 'one-time-code');
    const method = proofs.map(({ kind }) => PROOF_OF[kind] ?? kind).join('+');
    const useful = user.methods.some(wanted => wanted === method || wanted.startsWith(`${method}+`));
    const refused: Credential[] = [];
    let latest = user;
    for (const credential of proofs) {
      const verified = this.authenticators.recognise({ ...attempt, credentials: [credential, ...codes] });
      const recognised = await (useful ? verified : verified.catch(() => undefined));
      if (recognised?.user.id === user.id) latest = recognised.user;
      else refused.push(credential);
    }
    if (!useful) {
      // For the number of queries alone.
      await this.#explain(attempt);
      throw new HubError('authentication-failed', notAMethod(user, method));
    }
    if (refused.length > 0) throw new HubError('authentication-failed', await this.#explain({ ...attempt, credentials: refused }));
    return { user: latest, method };
  }

  async #refused(attempt: LoginAttempt, failure: HubError, keys?: readonly string[]): Promise<void> {
    const { username: user = '', protocol, remoteAddress } = attempt;
    this.log.info(
      { user, protocol, remoteAddress, reason: failure.message, ...(failure.code === 'internal' && { err: failure.cause }) },
      'login failed',
    );
    const delayMs = failure.code === 'authentication-failed' ? await this.defence.failed(remoteAddress, user) : 0;
    // An address that is turned away must not fill the event log.
    if (failure.code === 'rate-limited') return;
    await this.bus
      .publish('login.failed', { user: user.slice(0, 255), protocol, remoteAddress, reason: failure.message, ...(keys && { keys }) })
      .catch((error: unknown) => this.log.warn({ err: error }, 'login.failed could not be recorded'));
    if (delayMs > 0) await sleep(delayMs);
  }

  /** For the operator alone. */
  async #explain({ username, credentials }: LoginAttempt): Promise<string> {
    const hasPassword = username ? await this.users.hasPassword(username) : undefined;
    if (hasPassword === undefined) return 'No such user';
    if (credentials.some(({ kind }) => kind === 'public-key')) return 'The key is not known';
    if (credentials.some(({ kind }) => kind === 'ssh-certificate' || kind === 'certificate')) return 'The certificate is not for this user';
    return hasPassword ? 'Wrong password' : 'The user has no password';
  }
}

/** Of a line of an authorized_keys file, as `ssh-keygen -l` shows it. */
function fingerprintOf(key: string): string {
  const digest = createHash('sha256').update(Buffer.from(key.split(' ')[1] ?? '', 'base64'));
  return `SHA256:${digest.digest('base64').replace(/=+$/, '')}`;
}

/** Throws ProofRequired when `method` is the beginning of one of the user's, 'authentication-failed' when it is none of them. */
function requireMethod({ methods }: Pick<User, 'methods'>, method: string): void {
  if (methods.includes(method)) return;
  const next = methods
    .filter(wanted => wanted.startsWith(`${method}+`))
    .map(wanted => wanted.slice(method.length + 1).split('+')[0] as NextProof);
  if (next.length > 0) throw new ProofRequired([...new Set(next)]);
  throw new HubError('authentication-failed', notAMethod({ methods }, method));
}

function notAMethod({ methods }: Pick<User, 'methods'>, method: string): string {
  return `The user logs in by ${methods.join(' or ')}, not by ${method}`;
}

function mayUse(user: User, proof: Proof): boolean {
  return user.methods.length === 0 || user.methods.some(method => method.split('+').includes(proof));
}
