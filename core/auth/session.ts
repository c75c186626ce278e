import { Coordinator, type Lease } from '../cluster/coordinator.js';
import { type User, UserRepository } from '../db/users.js';
import { HubError } from '../errors.js';
import { EventBus } from '../events/bus.js';
import { uuidv7 } from '../ids.js';
import type { Logger } from '../log.js';
import { addressGroup } from '../net.js';
import type { SessionInfo, SessionSnapshot } from '../session-info.js';
import type { StorageBackend } from '../storage/backend.js';
import { ensureDirectory } from '../storage/ensure-directory.js';
import { MountTable } from '../vfs/mounts.js';
import { ROOT } from '../vfs/path.js';
import { Policy } from '../vfs/policy.js';
import { SessionScope, type VfsServices } from '../vfs/scope.js';
import { VirtualFileSystem } from '../vfs/virtual-file-system.js';

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

const IDLE_CHECK_MS = 5_000;

/** The sessions of this process. */
export class SessionRegistry {
  readonly #open = new Map<string, OpenSession>();
  readonly #stopListening: (() => void)[];
  readonly #idleTimer: NodeJS.Timeout;

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
      coordinator.listen('records.changed', ({ table, id }) => table === 'users' && this.#userChanged(id)),
    ];
    this.#idleTimer = setInterval(() => this.#endIdle(), Math.min(IDLE_CHECK_MS, limits.idle)).unref();
  }

  /** Opens a session within the limits. Throws 'too-many-sessions', naming which limit is reached. */
  async create(user: User, client: Pick<SessionInfo, 'protocol' | 'remoteAddress' | 'tls'>): Promise<Session> {
    const info: SessionInfo = { id: uuidv7(), user: user.username, ...client, startedAt: new Date().toISOString() };
    const ending = new AbortController();
    const scope = new SessionScope(info, new Policy(user.permissions, user.patterns), this.#mounts(user), ending.signal);
    const leases = await this.#acquire(user, scope);
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
    for (const stop of this.#stopListening) stop();
    clearInterval(this.#idleTimer);
    await Promise.allSettled([...this.#open.values()].map(session => session.end(reason)));
  }

  #mounts(user: User): MountTable {
    return new MountTable(user.mounts, this.backend);
  }

  async #acquire(user: User, scope: SessionScope): Promise<readonly Lease[]> {
    const wanted = [
      ['sessions', this.limits.sessions, 'Too many sessions'],
      [`sessions/user/${user.id}`, Math.min(user.maxSessions ?? Infinity, this.limits.sessionsPerUser), 'Too many sessions of this user'],
      [`sessions/address/${addressGroup(scope.info.remoteAddress)}`, this.limits.sessionsPerAddress, 'Too many sessions from this address'],
    ] as const;
    const leases: Lease[] = [];
    for (const [group, limit, refusal] of wanted) {
      const lease = await this.coordinator.acquire(group, limit, () => snapshot(scope));
      if (!lease) {
        await Promise.all(leases.map(held => held.release()));
        throw new HubError('too-many-sessions', refusal);
      }
      leases.push(lease);
    }
    return leases;
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

  async #userChanged(id: string | undefined): Promise<void> {
    const affected = [...this.#open.values()].filter(session => id === undefined || session.user.id === id);
    for (const session of affected) {
      const user = await this.users.find(session.user.id).catch(() => session.user);
      const reason = !user ? 'The user was removed' : user.status === 'disabled' ? 'The user was disabled' : undefined;
      if (reason || !user) void session.end(reason);
      else session.apply(user, new Policy(user.permissions, user.patterns), this.#mounts(user));
    }
  }

  #endIdle(): void {
    const limit = Date.now() - this.limits.idle;
    for (const session of this.#open.values()) if (session.scope.lastActivity < limit) void session.end('Idle for too long');
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
