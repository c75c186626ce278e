import type { SessionSnapshot } from '../session-info.js';
import type { Lease } from './coordinator.js';
import type { Correspondence } from './correspondence.js';
import { LocalCoordinator } from './local.js';

/** A process that does not answer within this time is left out. */
const ANSWER_MS = 800;

/** The primary's part of coordination: keeps slots and counters for the processes that join, and passes their messages on. */
export class CoordinatorHost {
  readonly #kept = new LocalCoordinator();
  readonly #members = new Set<Correspondence>();

  /** Takes in a process that has an IpcCoordinator. The function given is to be called when it has ended: what it held is free then. */
  join(member: Correspondence): () => void {
    const leases = new Map<string, Lease>();
    this.#members.add(member);
    const leave = () => {
      this.#members.delete(member);
      for (const lease of leases.values()) void lease.release();
      leases.clear();
    };
    member.on(
      'coordinator.acquire',
      async ({ id, group, limit }: { readonly id: string; readonly group: string; readonly limit: number }) => {
        const lease = this.#members.has(member) ? await this.#kept.acquire(group, limit) : undefined;
        if (lease && !this.#members.has(member)) await lease.release();
        else if (lease) leases.set(id, lease);
        return lease !== undefined;
      },
    );
    member.on('coordinator.release', (id: string) => {
      void leases.get(id)?.release();
      leases.delete(id);
    });
    member.on('coordinator.count', ({ key, windowMs }: { readonly key: string; readonly windowMs: number }) =>
      this.#kept.count(key, windowMs),
    );
    member.on('coordinator.holders', (group: string) => this.#holders(group, member));
    member.on('coordinator.message', (message: unknown) => {
      for (const other of this.#others(member)) other.tell('coordinator.message', message);
    });
    member.on('coordinator.leave', leave);
    return leave;
  }

  async #holders(group: string, asking: Correspondence): Promise<readonly SessionSnapshot[]> {
    const asked = this.#others(asking).map(other => other.ask('coordinator.snapshots', group, ANSWER_MS).catch(() => []));
    return ((await Promise.all(asked)) as readonly (readonly SessionSnapshot[])[]).flat();
  }

  #others(member: Correspondence): readonly Correspondence[] {
    return [...this.#members].filter(other => other !== member);
  }
}
