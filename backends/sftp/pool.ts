import { HubError, type Logger, toHubError } from '#core/api.js';
import { Connection, ConnectionLost, type Peer } from './connection.js';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/** How many connections there may be, and how long one may be unused. */
export interface PoolLimits {
  readonly connections: number;
  readonly idleTimeoutMs: number;
}

/** A connection that is taken for as long as a file or a listing is open. */
export interface Lease {
  readonly connection: Connection;
  release(): void;
}

interface Member {
  readonly connecting: Promise<Connection>;
  connection?: Connection;
  users: number;
  idle?: NodeJS.Timeout;
}

/**
 * Connections to one server, made when they are needed and closed when nobody needs them. While the server cannot be
 * reached, requests fail at once with the last reason, and it is tried again after a pause that doubles up to 10 s.
 */
export class ConnectionPool {
  readonly #members = new Set<Member>();
  #failure: HubError | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #notBefore = 0;
  #closed = false;

  constructor(
    private readonly peer: Peer,
    private readonly limits: PoolLimits,
    private readonly log: Logger,
  ) {}

  /** Takes a connection: an unused one, a new one while there may be more, or the one with the least to do. Throws 'unavailable' within the time limit. */
  async take(): Promise<Lease> {
    const member = this.#pick();
    member.users++;
    clearTimeout(member.idle);
    const release = () => this.#release(member);
    try {
      return { connection: await member.connecting, release };
    } catch (error) {
      member.users--;
      throw error;
    }
  }

  /**
   * Runs `work` on a connection. Where `repeatable` says that doing it twice is doing it once, it is done again when the connection
   * turns out to be gone; a server that had its time is not asked a second time.
   */
  async use<T>(work: (connection: Connection) => Promise<T>, repeatable = false): Promise<T> {
    for (let mayRepeat = repeatable; ; mayRepeat = false) {
      const { connection, release } = await this.take();
      try {
        return await work(connection);
      } catch (error) {
        if (!mayRepeat || !(error instanceof ConnectionLost) || error.timedOut) throw error;
      } finally {
        release();
      }
    }
  }

  /** Closes every connection. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const member of this.#members) {
      clearTimeout(member.idle);
      (await member.connecting.catch(() => undefined))?.close();
    }
  }

  #pick(): Member {
    if (this.#closed) throw new HubError('unavailable', 'The storage is closed');
    const members = [...this.#members].sort((a, b) => a.users - b.users);
    const [best] = members;
    if (best && (best.users === 0 || members.length >= this.limits.connections)) return best;
    if (this.#failure && performance.now() < this.#notBefore) {
      if (best) return best;
      throw new HubError('unavailable', this.#failure.message, { cause: this.#failure });
    }
    return this.#connect();
  }

  #connect(): Member {
    const member: Member = { connecting: Connection.open(this.peer), users: 0 };
    this.#members.add(member);
    member.connecting.then(
      connection => {
        member.connection = connection;
        this.#failure = undefined;
        this.#pauseMs = FIRST_PAUSE_MS;
        connection.onLost(() => this.#forget(member, connection.lost));
        if (connection.lost) this.#forget(member, connection.lost);
      },
      (error: unknown) => {
        this.#members.delete(member);
        this.#failure = toHubError(error);
        this.#notBefore = performance.now() + this.#pauseMs;
        this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
        this.log.warn({ err: error, host: this.peer.host, port: this.peer.port }, 'cannot connect to the SFTP server');
      },
    );
    return member;
  }

  #forget(member: Member, reason: HubError | undefined): void {
    clearTimeout(member.idle);
    if (this.#members.delete(member) && !this.#closed)
      this.log.warn({ err: reason, host: this.peer.host, port: this.peer.port }, 'lost a connection to the SFTP server');
  }

  #release(member: Member): void {
    member.users--;
    if (member.users > 0 || !this.#members.has(member)) return;
    member.idle = setTimeout(() => {
      this.#members.delete(member);
      member.connection?.close();
    }, this.limits.idleTimeoutMs).unref();
  }
}
