import makeKnex, { type Knex } from 'knex';
import { HubError } from '../errors.js';
import type { Logger } from '../log.js';
import { ConnectionLost, databaseError } from './errors.js';
import { LIMITS, type ServerConnection, type ServerDriver } from './server-driver.js';
import type { ServerSettings } from './server-options.js';

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;
const IDLE_MS = 60_000;
const READS = /^\s*\(?(select|with|show|explain)\b/i;

/** How one pool of connections is used. */
export interface PoolOptions {
  readonly size: number;
  /** The longest that one statement may take. */
  readonly queryMs: number;
  readonly log: Logger;
}

interface QueryObject {
  readonly sql: string;
}

/** What is used of knex's class and not in its types. */
interface KnexClient extends Knex.Client {
  _query(connection: ServerConnection, query: QueryObject): Promise<unknown>;
}

/** Knex over a pool of connections to a server. They are made when they are needed, and anew, with a growing wait, when they are lost. */
export function knexOverServer(driver: ServerDriver, settings: ServerSettings, { size, queryMs, log }: PoolOptions): Knex {
  const door = new Door(() => driver.connect(settings));
  class Client extends (driver.knexClient as unknown as new (config: object) => KnexClient) {
    /** The driver is loaded by `driver`. */
    _driver(): object {
      return {};
    }

    override async acquireConnection(): Promise<unknown> {
      try {
        return await super.acquireConnection();
      } catch (error) {
        throw databaseError(error);
      }
    }

    override acquireRawConnection(): Promise<ServerConnection> {
      return door.open();
    }

    override async destroyRawConnection(connection: ServerConnection): Promise<void> {
      if (driver.isAlive(connection)) driver.end(connection);
      else driver.kill(connection);
    }

    override async validateConnection(connection: ServerConnection): Promise<boolean> {
      return driver.isAlive(connection);
    }

    override async query(connection: ServerConnection, query: unknown): Promise<unknown> {
      try {
        return await super.query(connection, query);
      } catch (error) {
        throw error instanceof Error && error.cause instanceof HubError ? error.cause : error;
      }
    }

    override async _query(connection: ServerConnection & { readonly __knexTxId?: string }, query: QueryObject): Promise<unknown> {
      // What is not committed is undone when its connection goes.
      const isSafe = connection.__knexTxId === undefined ? READS.test(query.sql) : !query.sql.startsWith('COMMIT');
      try {
        return await guarded(driver, connection, isSafe, queryMs, () => super._query(connection, query));
      } catch (error) {
        if (driver.isDoneAlready?.(connection, error)) return Object.assign(query, { response: [{}, []] });
        return shield(databaseError(error));
      }
    }
  }
  const say = (message: unknown): void => log.debug({ reason: String(message) }, 'the driver of the database says');
  return makeKnex.knex({
    client: Client as unknown as typeof Knex.Client,
    connection: { database: settings.database },
    compileSqlOnError: false,
    acquireConnectionTimeout: LIMITS.acquireMs,
    log: { warn: say, error: say, debug: say, deprecate: say },
    pool: { min: 0, max: size, idleTimeoutMillis: IDLE_MS, createTimeoutMillis: LIMITS.acquireMs + 1_000, createRetryIntervalMillis: 100 },
  });
}

/**
 * What `work` gives, which asks `connection` for something. A connection that is silent for longer than `limitMs` is closed. Throws
 * ConnectionLost when it is lost; `isSafe` says that nothing can have taken effect then.
 */
export function guarded<T>(
  driver: ServerDriver,
  connection: ServerConnection,
  isSafe: boolean,
  limitMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const isDone = isSafe ? 'no' : 'unknown';
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new ConnectionLost(isDone, true));
      driver.kill(connection);
    }, limitMs);
    work().then(
      result => {
        clearTimeout(timer);
        resolve(result);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(isAnswer(error) && driver.isAlive(connection) ? error : new ConnectionLost(isDone, false, error));
        // What a server says when it ends a connection arrives before the end does.
        if (!isAnswer(error)) driver.kill(connection);
      },
    );
  });
}

/** Whether the server answered that the statement failed, and goes on serving. */
function isAnswer(error: unknown): boolean {
  const { code, errno, severity } = error as { code?: unknown; errno?: unknown; severity?: unknown };
  if (typeof severity === 'string') return severity === 'ERROR';
  return typeof errno === 'number' && errno > 0 && !/^(PROTOCOL_|E[A-Z]+$|ER_SERVER_SHUTDOWN|ER_CONNECTION_KILLED)/.test(String(code));
}

/** Lets connections be made, and none for a while after one could not be. */
class Door {
  #failures = 0;
  #closedUntil = 0;
  #reason: Error | undefined;

  constructor(private readonly connect: () => Promise<ServerConnection>) {}

  async open(): Promise<ServerConnection> {
    if (this.#reason && performance.now() < this.#closedUntil) throw this.#reason;
    try {
      const connection = await this.connect();
      this.#failures = 0;
      this.#reason = undefined;
      return connection;
    } catch (error) {
      // Whatever a driver says when it cannot connect, such as 'timeout expired' without a code.
      const known = databaseError(error);
      this.#reason = known instanceof HubError ? known : new HubError('unavailable', 'The database does not answer', { cause: error });
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++);
      this.#closedUntil = performance.now() + wait * (0.5 + Math.random() / 2);
      throw this.#reason;
    }
  }
}

/** Knex writes its SQL into the message of every error: one that clients may see is given to it inside another. */
function shield(error: Error): never {
  throw error instanceof HubError ? new Error(error.message, { cause: error }) : error;
}
