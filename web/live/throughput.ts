import { directionOf } from '#core/events/traffic-history.js';
import type { HubEvent } from '#core/events/types.js';
import type { SessionSnapshot } from '#core/session-info.js';

/** What moves now, in bytes a second. */
export interface Rates {
  readonly upload: number;
  readonly download: number;
}

const MEASURE_MS = 1_000;

/** Learns of looks at the sessions, and of transfers that ended between them, how much is being moved. */
export class Throughput {
  #seen = new Map<string, number>();
  #moved = { upload: 0, download: 0 };
  /** When measuring began; undefined before the first look, whose transfers may have run for hours. */
  #since: number | undefined;

  /** Counts what a transfer moved after the last look. Other events count nothing. */
  ended({ type, data }: HubEvent): void {
    const direction = directionOf(type);
    if (!direction || this.#since === undefined || !('session' in data) || !('bytes' in data)) return;
    const key = keyOf(data.session.id, direction, data.path);
    this.#moved[direction] += Math.max(0, data.bytes - (this.#seen.get(key) ?? 0));
    this.#seen.set(key, data.bytes);
  }

  /** Takes a look into account; gives the rates once a second, and nothing in between. `now` is a monotonic time in ms. */
  look(sessions: readonly SessionSnapshot[], now = performance.now()): Rates | undefined {
    const seen = new Map<string, number>();
    for (const { id, transfers } of sessions) {
      for (const { direction, path, bytes } of transfers) {
        const key = keyOf(id, direction, path);
        this.#moved[direction] += Math.max(0, bytes - (this.#seen.get(key) ?? 0));
        seen.set(key, bytes);
      }
    }
    this.#seen = seen;
    if (this.#since === undefined) {
      this.#begin(now);
      return undefined;
    }
    const elapsedMs = now - this.#since;
    if (elapsedMs < MEASURE_MS) return undefined;
    const { upload, download } = this.#moved;
    this.#begin(now);
    return { upload: Math.round((upload * 1_000) / elapsedMs), download: Math.round((download * 1_000) / elapsedMs) };
  }

  /** Forgets everything: the next look begins anew. */
  reset(): void {
    this.#since = undefined;
    this.#seen.clear();
  }

  #begin(now: number): void {
    this.#since = now;
    this.#moved = { upload: 0, download: 0 };
  }
}

function keyOf(session: string, direction: string, path: string): string {
  return `${session} ${direction} ${path}`;
}
