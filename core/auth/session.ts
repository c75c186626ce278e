import { Coordinator, type Lease } from '../cluster/coordinator.js';
import { type User, UserRepository } from '../db/users.js';
import { HubError, toHubError } from '../errors.js';
import { EventBus } from '../events/bus.js';
import { uuidv7 } from '../ids.js';
import type { Logger } from '../log.js';
import { addressGroup } from '../net.js';
import type { SessionInfo, SessionSnapshot } from '../session-info.js';
import type { StorageBackend } from '../storage/backend.js';
import { ensureDirectory } from '../storage/ensure-directory.js';
import { pathsOf } from '../vfs/hidden-places.js';
import { MountTable } from '../vfs/mounts.js';
import { ROOT } from '../vfs/path.js';
import { Policy } from '../vfs/policy.js';
import { SessionScope, type VfsServices } from '../vfs/scope.js';
import { VirtualFileSystem } from '../vfs/virtual-file-system.js';
import { refusalOf } from './account.js';

/** A logged-in client. */
export interface Session {
  readonly info: SessionInfo;
  readonly user: User;
  readonly files: VirtualFileSystem;
  /** Aborts when the session must end: kicked, disabled, idle, or shutting down; `signal.reason` is text for the client. The protocol then drops the client. */
  readonly signal: AbortSignal;
  /** Ends the session: aborts open transfers, frees its slots, publishes 'session.ended'. Safe to call twice. */
  end(reason?: string): Promise<void>;
}

/** What the registry goes by: `limits` of the configuration. */
export interface SessionLimits {
  readonly sessions: number;
  readonly sessionsPerUser: number;
  readonly sessionsPerAddress: number;
  /** In ms. */
  readonly idle: number;
}

const CHECK_MS = 5_000;
/** Why a session ends of which nothing was heard for long. */
export const IDLE_REASON = 'Idle for too long';
/** Why a session ends with the hub. */
export const STOP_REASON = 'The hub stops';

/** The sessions of this process. */
export class SessionRegistry {
  readonly #open = new Map<string, OpenSession>();
  readonly #stopListening: (() => void)[];
  readonly #checkTimer: NodeJS.Timeout;
  #closed = false;

  constructor(
    private readonly coordinator: Coordinator,
    private readonly users: UserRepository,
    private readonly bus: EventBus,
    private readonly services: VfsServices,
    private readonly limits: SessionLimits,
    private readonly backend: (storage: string) => Promise<StorageBackend>,
    private readonly log: Logger,
  ) {
    this.#stopListening = [
      coordinator.listen('session.end', ({ session, reason }) => void this.#open.get(session)?.end(reason)),
      coordinator.listen('records.changed', ({ table, id }) => void (table === 'users' && this.#userChanged(id))),
    ];
    this.#checkTimer = setInterval(() => this.#endOverdue(), Math.min(CHECK_MS, limits.idle)).unref();
  }

  /**
   * Opens a session within the limits. Throws 'too-many-sessions', naming which limit is reached; 'authentication-failed' when the
   * user's record has changed since `user` was read, and no longer lets him in; 'unavailable' when the hub stops. A companion is another
   * part of a session that another process has, and is not held up by limits.
   */
  async create(user: User, client: Pick<SessionInfo, 'protocol' | 'remoteAddress' | 'tls'>, isCompanion = false): Promise<Session> {
    const info: SessionInfo = { id: uuidv7(), user: user.username, ...client, startedAt: new Date().toISOString() };
    const ending = new AbortController();
    const policy = this.#policy(user);
    const scope = new SessionScope(info, user.id, policy, this.#mounts(user), ending.signal, this.services.places);
    const leases = await this.#acquire(user, scope, isCompanion);
    const session = new OpenSession(
      info,
      user,
      scope,
      new VirtualFileSystem(scope, this.services),
      ending,
      leases,
      this.bus,
      this.log,
      () => this.#open.delete(info.id),
    );
    this.#open.set(info.id, session);
    await this.#makeHome(user);
    await this.#catchUp(session);
    return session;
  }

  /** Every session of the hub, on every node. */
  list(): Promise<readonly SessionSnapshot[]> {
    return this.coordinator.holders('sessions');
  }

  /** Ends a session wherever it is. Throws 'not-found'. */
  async end(id: string, reason: string): Promise<void> {
    if (!(await this.list()).some(session => session.id === id)) throw new HubError('not-found', `No session ${id}`);
    this.coordinator.broadcast('session.end', { session: id, reason });
  }

  /** The number of transfers that are open in this process. */
  get transfers(): number {
    return [...this.#open.values()].reduce((sum, session) => sum + session.scope.transfers().length, 0);
  }

  /** Ends every session of this process, and resolves when they have ended. */
  async endAll(reason: string): Promise<void> {
    this.#closed = true;
    for (const stop of this.#stopListening) stop();
    clearInterval(this.#checkTimer);
    await Promise.allSettled([...this.#open.values()].map(session => session.end(reason)));
  }

  #policy({ permissions, patterns, mounts }: User): Policy {
    return new Policy(permissions, patterns, pathsOf(this.services.hidden, mounts));
  }

  #mounts(user: User): MountTable {
    return new MountTable(user.mounts, this.backend);
  }

  async #acquire(user: User, scope: SessionScope, isCompanion: boolean): Promise<readonly Lease[]> {
    const wanted = [
      ['sessions', this.limits.sessions, 'Too many sessions'],
      [`sessions/user/${user.id}`, Math.min(user.maxSessions ?? Infinity, this.limits.sessionsPerUser), 'Too many sessions of this user'],
      [`sessions/address/${addressGroup(scope.info.remoteAddress)}`, this.limits.sessionsPerAddress, 'Too many sessions from this address'],
    ] as const;
    const leases: Lease[] = [];
    try {
      for (const [group, limit, refusal] of wanted) {
        const lease = await this.coordinator.acquire(group, isCompanion ? Infinity : limit, () => snapshot(scope));
        if (!lease) throw new HubError('too-many-sessions', refusal);
        leases.push(lease);
      }
      if (this.#closed) throw new HubError('unavailable', 'The hub stops');
      return leases;
    } catch (error) {
      await Promise.allSettled(leases.map(held => held.release()));
      throw error;
    }
  }

  /** The home is made with the user; this is for one whose storage came later, and a storage that is down must not keep the user out of the others. */
  async #makeHome(user: User): Promise<void> {
    const home = user.mounts.find(mount => mount.path === ROOT);
    if (!home) return;
    try {
      await ensureDirectory(await this.backend(home.storage), home.directory);
    } catch (error) {
      this.log.warn({ err: error, user: user.username, storage: home.storage }, 'home could not be made');
    }
  }

  /** What was changed while the user logged in was told to sessions that were open then, and not to this one. */
  async #catchUp(session: OpenSession): Promise<void> {
    const user = await this.users.find(session.user.id).catch(() => undefined);
    if (user && user.version !== session.user.version) this.#apply(session, user);
    if (session.signal.aborted) throw new HubError('authentication-failed', String(session.signal.reason));
  }

  /** Never rejects. */
  async #userChanged(id: string | undefined): Promise<void> {
    const affected = new Map<string, OpenSession[]>();
    for (const session of this.#open.values()) {
      const userId = session.user.id;
      if (id !== undefined && userId !== id) continue;
      const sessions = affected.get(userId);
      if (sessions) sessions.push(session);
      else affected.set(userId, [session]);
    }
    for (const [userId, sessions] of affected) {
      try {
        const user = await this.users.find(userId);
        for (const session of sessions) {
          if (user) this.#apply(session, user);
          else void session.end('The user was removed');
        }
      } catch (error) {
        this.log.error({ err: error, user: sessions[0]!.info.user }, 'a change of a user could not be read; his sessions go on as before');
      }
    }
  }

  /** Goes by the new record from now on; one that lets the user in no longer, or cannot be understood, ends the session. */
  #apply(session: OpenSession, user: User): void {
    if (user.version < session.user.version) return;
    try {
      const refusal = refusalOf(user, session.info);
      if (refusal !== undefined) void session.end(refusal);
      else session.apply(user, this.#policy(user), this.#mounts(user));
    } catch (error) {
      this.log.error({ err: error, user: user.username }, 'the record of a user cannot be used; his sessions end');
      void session.end(toHubError(error).message);
    }
  }

  #endOverdue(): void {
    const now = Date.now();
    for (const session of this.#open.values()) {
      if (session.scope.lastActivity < now - this.limits.idle) void session.end(IDLE_REASON);
      else if (session.user.expiresAt !== undefined && session.user.expiresAt <= now) void session.end('The user has expired');
    }
  }
}

class OpenSession implements Session {
  #ended: Promise<void> | undefined;

  constructor(
    readonly info: SessionInfo,
    public user: User,
    readonly scope: SessionScope,
    readonly files: VirtualFileSystem,
    private readonly ending: AbortController,
    private readonly leases: readonly Lease[],
    private readonly bus: EventBus,
    private readonly log: Logger,
    private readonly forget: () => void,
  ) {}

  get signal(): AbortSignal {
    return this.ending.signal;
  }

  apply(user: User, policy: Policy, mounts: MountTable): void {
    this.user = user;
    this.scope.policy = policy;
    this.scope.mounts = mounts;
  }

  end(reason = 'The client left'): Promise<void> {
    this.#ended ??= this.#end(reason);
    return this.#ended;
  }

  async #end(reason: string): Promise<void> {
    this.ending.abort(reason);
    this.forget();
    await this.scope.abortAll(reason);
    await Promise.all(this.leases.map(lease => lease.release()));
    await this.bus
      .publish('session.ended', { session: this.info, reason })
      .catch((error: unknown) => this.log.warn({ err: error, session: this.info.id }, 'session.ended could not be recorded'));
  }
}

function snapshot(scope: SessionScope): SessionSnapshot {
  return { ...scope.info, lastActivity: new Date(scope.lastActivity).toISOString(), transfers: scope.transfers() };
}
