import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { type DeliveryChange, DeliveryRepository } from '../db/deliveries.js';
import { randomToken } from '../ids.js';
import { EventBus } from './bus.js';
import type { HubEvent } from './types.js';

/** Who watches, and what he is told. */
export interface Watcher {
  event(event: HubEvent): void;
  delivery(change: DeliveryChange): void;
}

const ASK_MS = 10_000;
/** So long after it was last asked for, a process goes on to tell. */
const WANTED_MS = 25_000;

/** Events and changes of deliveries of every process, as they happen, while somebody watches on any of them: otherwise nothing is sent. At most once, for live pages. */
@injectable()
export class LiveRelay {
  readonly #id = randomToken(6);
  readonly #watchers = new Set<Watcher>();
  #stopHearing: (() => void) | undefined;
  #stopWatching: (() => void)[] = [];
  #asking: NodeJS.Timeout | undefined;
  #telling: NodeJS.Timeout | undefined;
  #stopTelling: (() => void)[] = [];

  constructor(
    private readonly bus: EventBus,
    private readonly deliveries: DeliveryRepository,
    private readonly coordinator: Coordinator,
  ) {}

  /** From now on this process tells the others, when they ask. */
  start(): void {
    this.#stopHearing = this.coordinator.listen('live.wanted', ({ by }) => {
      if (by !== this.#id) this.#tell();
    });
  }

  /** Tells `watcher` until the function is called that is given. It must not throw. */
  watch(watcher: Watcher): () => void {
    if (this.#watchers.size === 0) this.#begin();
    this.#watchers.add(watcher);
    return () => {
      if (this.#watchers.delete(watcher) && this.#watchers.size === 0) this.#end();
    };
  }

  stop(): void {
    this.#end();
    this.#silence();
    this.#stopHearing?.();
  }

  #begin(): void {
    const ask = () => this.coordinator.broadcast('live.wanted', { by: this.#id });
    this.#asking = setInterval(ask, ASK_MS).unref();
    this.#stopWatching = [
      this.bus.listen('*', event => this.#pass({ event })),
      this.deliveries.listen(delivery => this.#pass({ delivery })),
      this.coordinator.listen('live.told', ({ by, ...what }) => {
        if (by !== this.#id) this.#pass(what);
      }),
    ];
    ask();
  }

  #end(): void {
    clearInterval(this.#asking);
    for (const stop of this.#stopWatching.splice(0)) stop();
  }

  #pass({ event, delivery }: { readonly event?: HubEvent; readonly delivery?: DeliveryChange }): void {
    for (const watcher of this.#watchers) {
      if (event) watcher.event(event);
      if (delivery) watcher.delivery(delivery);
    }
  }

  #tell(): void {
    clearTimeout(this.#telling);
    this.#telling = setTimeout(() => this.#silence(), WANTED_MS).unref();
    if (this.#stopTelling.length > 0) return;
    const by = this.#id;
    this.#stopTelling = [
      this.bus.listen('*', event => this.coordinator.broadcast('live.told', { by, event })),
      this.deliveries.listen(delivery => this.coordinator.broadcast('live.told', { by, delivery })),
    ];
  }

  #silence(): void {
    clearTimeout(this.#telling);
    for (const stop of this.#stopTelling.splice(0)) stop();
  }
}
