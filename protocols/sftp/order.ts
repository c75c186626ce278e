/** A request under way that names paths. */
interface Entry {
  readonly paths: readonly string[];
  readonly changes: boolean;
  readonly done: Promise<unknown>;
}

/**
 * Keeps the order of requests that a client sends without waiting for answers, where it can be noticed: a request
 * waits for those before it that change the same path, a folder above it or something below it. All others overlap.
 * (OpenSSH's server answers one request after the other; sshfs relies on CLOSE being done before the RENAME it sends
 * next.)
 */
export class RequestOrder {
  readonly #entries = new Set<Entry>();

  /** Runs `operation` on `paths` (normal forms) after those it depends on. */
  run<T>(paths: readonly string[], changes: boolean, operation: () => Promise<T>): Promise<T> {
    const before = this.#entries.size === 0 ? [] : this.#before(paths, changes);
    const result = before.length === 0 ? operation() : Promise.allSettled(before).then(operation);
    const entry: Entry = { paths, changes, done: result };
    this.#entries.add(entry);
    const remove = () => this.#entries.delete(entry);
    result.then(remove, remove);
    return result;
  }

  #before(paths: readonly string[], changes: boolean): Promise<unknown>[] {
    const before: Promise<unknown>[] = [];
    for (const entry of this.#entries) {
      if (!changes && !entry.changes) continue;
      if (paths.some(path => entry.paths.some(other => related(path, other)))) before.push(entry.done);
    }
    return before;
  }
}

function related(a: string, b: string): boolean {
  return a === b || isBelow(a, b) || isBelow(b, a);
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder) && (folder.endsWith('/') || path[folder.length] === '/');
}
