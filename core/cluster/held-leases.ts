import type { SessionSnapshot } from '../session-info.js';

/** What a lease shows: fixed, made anew at each look, or nothing. */
export type Snapshot = SessionSnapshot | (() => SessionSnapshot) | undefined;

/** The leases of one process, by group and id. */
export class HeldLeases {
  readonly #groups = new Map<string, Map<string, Snapshot>>();
  /** Differs whenever other leases are held than before. */
  version = 0;

  add(group: string, id: string, snapshot: Snapshot): void {
    const leases = this.#groups.get(group) ?? new Map<string, Snapshot>();
    this.#groups.set(group, leases.set(id, snapshot));
    this.version++;
  }

  /** Without effect for one that is not held. */
  update(group: string, id: string, snapshot: Snapshot): void {
    const leases = this.#groups.get(group);
    if (leases?.has(id)) leases.set(id, snapshot);
  }

  /** Whether it was held. */
  remove(group: string, id: string): boolean {
    const leases = this.#groups.get(group);
    if (!leases?.delete(id)) return false;
    this.version++;
    if (leases.size === 0) this.#groups.delete(group);
    return true;
  }

  size(group: string): number {
    return this.#groups.get(group)?.size ?? 0;
  }

  snapshots(group: string): readonly SessionSnapshot[] {
    const leases = [...(this.#groups.get(group)?.values() ?? [])];
    return leases.flatMap(lease => (lease === undefined ? [] : [typeof lease === 'function' ? lease() : lease]));
  }

  clear(): void {
    this.#groups.clear();
  }

  /** { group: [id] }. */
  toJson(): string {
    return JSON.stringify(Object.fromEntries([...this.#groups].map(([group, leases]) => [group, [...leases.keys()]])));
  }
}
