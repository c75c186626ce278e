import { EventEmitter } from 'eventemitter3';
import type { SessionSnapshot } from '../session-info.js';
import { type Broadcasts, Coordinator, type Lease } from './coordinator.js';
import type { Correspondence } from './correspondence.js';
import { HeldLeases, type Snapshot } from './held-leases.js';

/** The coordinator of one process among those of a machine: slots and counters are kept by the primary, which frees what a process held that ends. */
export class IpcCoordinator extends Coordinator {
  readonly #topics = new EventEmitter();
  readonly #held = new HeldLeases();
  #last = 0;
  #closed = false;

  /** `primary` leads to a CoordinatorHost. */
  constructor(private readonly primary: Correspondence) {
    super();
    primary.on('coordinator.snapshots', (group: string) => this.#held.snapshots(group));
    primary.on('coordinator.message', ({ topic, message }: { readonly topic: string; readonly message: unknown }) => {
      this.#topics.emit(topic, message);
    });
  }

  async acquire(group: string, limit: number, snapshot?: Snapshot): Promise<Lease | undefined> {
    if (this.#closed) return undefined;
    const id = String(++this.#last);
    // On record before it is granted: who asks in between sees it rather than not.
    this.#held.add(group, id, snapshot);
    const isGranted = await this.primary.ask('coordinator.acquire', { id, group, limit }).catch((error: unknown) => {
      this.#held.remove(group, id);
      throw error;
    });
    if (!isGranted || this.#closed) {
      this.#held.remove(group, id);
      return undefined;
    }
    return {
      update: next => this.#held.update(group, id, next),
      release: async () => {
        if (this.#held.remove(group, id)) this.primary.tell('coordinator.release', id);
      },
    };
  }

  async holders(group: string): Promise<readonly SessionSnapshot[]> {
    if (this.#closed) return [];
    const others = (await this.primary.ask('coordinator.holders', group)) as readonly SessionSnapshot[];
    return [...this.#held.snapshots(group), ...others];
  }

  async count(key: string, windowMs: number): Promise<number> {
    return (await this.primary.ask('coordinator.count', { key, windowMs })) as number;
  }

  broadcast<T extends keyof Broadcasts>(topic: T, message: Broadcasts[T]): void {
    if (this.#closed) return;
    this.primary.tell('coordinator.message', { topic, message });
    this.#topics.emit(topic, message);
  }

  listen<T extends keyof Broadcasts>(topic: T, listener: (message: Broadcasts[T]) => void): () => void {
    this.#topics.on(topic, listener);
    return () => void this.#topics.off(topic, listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#topics.removeAllListeners();
    this.#held.clear();
    this.primary.tell('coordinator.leave');
  }
}
