import { type FSWatcher, watch } from 'node:fs';

/** What a watch needs to know. */
export interface WatchOptions {
  /** The folders to watch now; asked again after each change. */
  readonly folders: () => Promise<readonly string[]>;
  /** Called after a change, and at each poll: never twice at the same time. Does not reject. */
  readonly onChange: () => Promise<void>;
}

const POLL_MS = 2_000;
const SETTLE_MS = 100;

/** Tells of changes in folders: at once where the system can, and by looking every 2 s where it cannot. */
export class FolderWatch {
  readonly #watchers = new Map<string, FSWatcher>();
  #poll: NodeJS.Timeout | undefined;
  #settle: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(private readonly options: WatchOptions) {}

  /** Starts to watch. Resolves after the first look. */
  async start(): Promise<void> {
    this.#look();
    await this.#running;
  }

  /** Ends the watch; resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#poll);
    clearTimeout(this.#settle);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#running;
  }

  #look(): void {
    clearTimeout(this.#poll);
    this.#running = this.#running.then(async () => {
      if (this.#stopped) return;
      await this.options.onChange();
      await this.#follow();
      clearTimeout(this.#poll);
      if (!this.#stopped) this.#poll = setTimeout(() => this.#look(), POLL_MS);
    });
  }

  /** Changes come in bursts: the first one starts the wait, the others share it. */
  #changed(): void {
    this.#settle ??= setTimeout(() => {
      this.#settle = undefined;
      this.#look();
    }, SETTLE_MS);
  }

  async #follow(): Promise<void> {
    const folders = new Set(await this.options.folders());
    if (this.#stopped) return;
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#watch(folder);
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, () => this.#changed());
      watcher.on('error', () => {
        watcher.close();
        this.#watchers.delete(folder);
      });
      this.#watchers.set(folder, watcher);
    } catch {
      // Too many watches, or the folder is gone again: the poll sees what changes.
    }
  }
}
