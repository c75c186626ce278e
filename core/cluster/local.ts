import { EventEmitter } from 'eventemitter3';
import type { SessionSnapshot } from '../session-info.js';
import { type Broadcasts, Coordinator, type Lease } from './coordinator.js';

type Snapshot = SessionSnapshot | (() => SessionSnapshot) | undefined;

/** The oldest counters are forgotten above this many keys: a scan from a million addresses must not fill the memory. */
const MAX_KEYS = 100_000;

/** The coordinator of one process: everything in memory. */
export class LocalCoordinator extends Coordinator {
  readonly #groups = new Map<string, Map<symbol, Snapshot>>();
  readonly #counters = new Map<string, number[]>();
  readonly #topics = new EventEmitter();
  #closed = false;

  override get isShared(): boolean {
    return false;
  }

  async acquire(group: string, limit: number, snapshot?: Snapshot): Promise<Lease | undefined> {
    const slots = this.#groups.get(group) ?? new Map<symbol, Snapshot>();
    if (this.#closed || slots.size >= limit) return undefined;
    this.#groups.set(group, slots);
    const key = Symbol(group);
    slots.set(key, snapshot);
    return {
      update: next => void (slots.has(key) && slots.set(key, next)),
      release: async () => {
        slots.delete(key);
        if (slots.size === 0 && this.#groups.get(group) === slots) this.#groups.delete(group);
      },
    };
  }

  async holders(group: string): Promise<readonly SessionSnapshot[]> {
    const slots = [...(this.#groups.get(group)?.values() ?? [])];
    return slots.flatMap(slot => (slot === undefined ? [] : [typeof slot === 'function' ? slot() : slot]));
  }

  async count(key: string, windowMs: number): Promise<number> {
    const now = performance.now();
    const recent = (this.#counters.get(key) ?? []).filter(time => time > now - windowMs);
    recent.push(now);
    this.#counters.delete(key);
    this.#counters.set(key, recent.slice(-1_000));
    if (this.#counters.size > MAX_KEYS) this.#counters.delete(this.#counters.keys().next().value!);
    return recent.length;
  }

  broadcast<T extends keyof Broadcasts>(topic: T, message: Broadcasts[T]): void {
    this.#topics.emit(topic, message);
  }

  listen<T extends keyof Broadcasts>(topic: T, listener: (message: Broadcasts[T]) => void): () => void {
    this.#topics.on(topic, listener);
    return () => void this.#topics.off(topic, listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#topics.removeAllListeners();
    this.#groups.clear();
    this.#counters.clear();
  }
}
