import type { ResponseObject } from '@hapi/hapi';
import { HubError } from '#core/api.js';

const WINDOW_MS = 60_000;
const MAX_KEYS = 50_000;

/** How much of its share somebody has used. */
export interface Rate {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the share is whole again. */
  readonly resetSeconds: number;
}

/** Counts requests by who sends them, in windows of a minute, in this process. */
export class Rates {
  readonly #windows = new Map<string, { count: number; readonly endsAt: number }>();

  constructor(private readonly limit: number) {}

  /** Counts one. Throws 'rate-limited' with when to come again once the share is used up. */
  take(key: string, now = Date.now()): Rate {
    let window = this.#windows.get(key);
    if (!window || window.endsAt <= now) {
      this.#forget(now);
      window = { count: 0, endsAt: now + WINDOW_MS };
      this.#windows.set(key, window);
    }
    window.count++;
    const resetSeconds = Math.ceil((window.endsAt - now) / 1_000);
    if (window.count > this.limit) throw new RateExceeded({ limit: this.limit, remaining: 0, resetSeconds });
    return { limit: this.limit, remaining: this.limit - window.count, resetSeconds };
  }

  #forget(now: number): void {
    if (this.#windows.size < MAX_KEYS) return;
    for (const [key, { endsAt }] of this.#windows) if (endsAt <= now) this.#windows.delete(key);
    // Those of a minute may be more than there is room for.
    if (this.#windows.size >= MAX_KEYS) this.#windows.clear();
  }
}

/** 'rate-limited', with the share. */
export class RateExceeded extends HubError {
  constructor(readonly rate: Rate) {
    super('rate-limited', `More than ${rate.limit} requests in a minute; again in ${rate.resetSeconds} s`);
  }
}

/** Tells the client of its share. */
export function withRate(response: ResponseObject, { limit, remaining, resetSeconds }: Rate): ResponseObject {
  return response
    .header('ratelimit-limit', String(limit))
    .header('ratelimit-remaining', String(remaining))
    .header('ratelimit-reset', String(resetSeconds));
}
