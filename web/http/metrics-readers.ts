import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Request } from '@hapi/hapi';
import { addressWithin, HubError } from '#core/api.js';
import { authenticate } from '../auth/authenticate.js';
import type { Caller } from '../auth/caller.js';
import type { WebServices } from '../services.js';
import { clientOf } from './client.js';

const LOOPBACK = ['127.0.0.0/8', '::1'];
/** A key that was good this long ago is good while the database cannot be asked: it is then that its figures are wanted. */
const REMEMBERED_MS = 600_000;
/** Prometheus waits 10 s in all. */
const ASKING_MS = 2_000;
const MAX_KEYS = 100;

/** Who may read the metrics: admins, by a key or a browser, and whoever asks on the machine itself. */
export class MetricsReaders {
  /** Until when keys are good without being looked up, by their digests. */
  readonly #known = new Map<string, number>();

  constructor(private readonly services: WebServices) {}

  /** Throws 'authentication-failed' and 'permission-denied', and 'unavailable' while the database is away, for a key not seen lately. */
  async require(request: Request): Promise<void> {
    const { authorization } = request.raw.req.headers;
    if (authorization === undefined) return this.#requireReader(request, await authenticate(request, this.services));
    const digest = createHash('sha256').update(authorization).digest('base64');
    const isKnown = (this.#known.get(digest) ?? 0) > Date.now();
    try {
      const asked = authenticate(request, this.services);
      const caller = await (isKnown ? withinLimit(asked, ASKING_MS) : asked);
      this.#requireReader(request, caller);
      if (caller?.kind === 'admin') this.#remember(digest, caller.key?.expiresAt);
    } catch (error) {
      const isAway = error instanceof HubError && error.code === 'unavailable';
      if (isAway && isKnown) return;
      if (!isAway) this.#known.delete(digest);
      throw error;
    }
  }

  #requireReader(request: Request, caller: Caller | undefined): void {
    if (caller?.kind === 'admin' || addressWithin(clientOf(request, this.services.options).remoteAddress, LOOPBACK)) return;
    if (caller) throw new HubError('permission-denied', 'This is for an admin');
    throw new HubError('authentication-failed', 'Send a key of an admin');
  }

  #remember(digest: string, expiresAt: number | undefined): void {
    this.#known.delete(digest);
    if (this.#known.size >= MAX_KEYS) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(digest, Math.min(Date.now() + REMEMBERED_MS, expiresAt ?? Number.POSITIVE_INFINITY));
  }
}

/** What `work` gives. Throws 'unavailable' when that takes longer. */
export async function withinLimit<T>(work: Promise<T>, limitMs: number): Promise<T> {
  work.catch(() => undefined);
  const over = new AbortController();
  const late = sleep(limitMs, undefined, { signal: over.signal }).then(() => {
    throw new HubError('unavailable', 'The database does not answer');
  });
  late.catch(() => undefined);
  return Promise.race([work, late]).finally(() => over.abort());
}
