import type { Connection } from './sqlite-connection.js';
import type { WireError } from './sqlite-messages.js';
import { asDatabaseError, type SqliteThread } from './sqlite-thread.js';
import type { Statement } from './statement.js';

/** More statements, or more calls of one moment, hold the loop for longer than handing them to the thread does. */
const STATEMENTS = 8;
const CALLS = 16;

const BUSY: WireError = { code: 'SQLITE_BUSY', message: 'The thread is at work' };

interface Change {
  readonly statements: readonly Statement[];
  resolve(): void;
  reject(error: Error): void;
}

/**
 * Commits small changes on the event loop, for a file that is in memory: no disk is waited for there, and waking a thread costs
 * more than they do. What is large, what many ask for at once, and what another transaction is in the way of, is the thread's.
 */
export class ChangesAtOnce {
  #gathered: Change[] = [];

  constructor(
    private readonly connection: Connection,
    private readonly thread: SqliteThread,
  ) {}

  /** Runs statements that take effect together or not at all; they are committed when this resolves. */
  change(statements: readonly Statement[]): Promise<void> {
    if (statements.length > STATEMENTS || !this.thread.isIdle) {
      this.flush();
      return this.thread.change(statements);
    }
    return new Promise((resolve, reject) => {
      if (this.#gathered.push({ statements, resolve, reject }) > 1) return;
      // After the answers of this turn, which leave in its first immediate: clients make up their minds meanwhile.
      setImmediate(() => setImmediate(() => this.flush()));
    });
  }

  /** Commits what waits, or hands it to the thread, before whatever the caller gives to the thread next. */
  flush(): void {
    const changes = this.#gathered;
    this.#gathered = [];
    if (changes.length === 0) return;
    const errors = changes.length <= CALLS && this.thread.isIdle ? this.connection.commit(changes.map(({ statements }) => statements)) : [];
    for (const [index, { statements, resolve, reject }] of changes.entries()) {
      const error = errors.length > 0 ? errors[index] : BUSY;
      // Another process writes, or a transaction of this one is open: the thread waits for its turn.
      if (error?.code.startsWith(BUSY.code)) this.thread.change(statements).then(resolve, reject);
      else if (error) reject(asDatabaseError(error));
      else resolve();
    }
  }

  /** Commits what waits and closes the connection. */
  close(): void {
    this.flush();
    this.connection.close();
  }
}
