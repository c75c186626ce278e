import { EventEmitter } from 'eventemitter3';
import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { type EventRecord, EventRepository } from '../db/events.js';
import { uuidv7 } from '../ids.js';
import { EventBus, type OperationProof, type PendingEvent } from './bus.js';
import { factsOf } from './facts.js';
import { RuleTable } from './rules.js';
import { EventSettings } from './settings.js';
import { type EventType, type EventTypes, type HubEvent, matchesType } from './types.js';

/** An event whose operation took place and of which the database does not know that yet. */
interface Settled {
  readonly event: HubEvent;
  readonly wanted: boolean;
}

const SETTLE_WAIT_MS = 5;
const SETTLE_BATCH = 500;
const SETTLE_AGAIN_MS = 1_000;
const WAKE_EVERY_MS = 10;

/** The bus on the outbox tables: an event and its deliveries are rows of one transaction. */
@injectable()
export class OutboxEventBus extends EventBus {
  readonly #live = new EventEmitter();
  #settled: Settled[] = [];
  #settleTimer: NodeJS.Timeout | undefined;
  #settling: Promise<void> | undefined;
  #wakeTimer: NodeJS.Timeout | undefined;
  #wokenAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly events: EventRepository,
    private readonly rules: RuleTable,
    private readonly coordinator: Coordinator,
    private readonly settings: EventSettings,
  ) {
    super();
  }

  async publish<T extends EventType>(type: T, data: EventTypes[T], trx?: Knex.Transaction): Promise<void> {
    const { event, targets, recorded } = this.#make(type, data);
    if (recorded) await this.events.record(this.#record(event, targets), trx);
    if (trx) void trx.executionPromise.then(() => this.#announce(event, targets.length > 0)).catch(() => undefined);
    else this.#announce(event, targets.length > 0);
  }

  async prepare<T extends EventType>(type: T, data: EventTypes[T], proof: OperationProof): Promise<PendingEvent> {
    const { event, targets, recorded } = this.#make(type, data);
    if (!recorded) return { settle: () => this.#announce(event, false), drop: async () => undefined };
    await this.events.record(this.#record(event, targets, proof));
    return {
      settle: () => this.#settle({ event, wanted: targets.length > 0 }),
      drop: () => this.events.drop([event.id]),
    };
  }

  listen<T extends EventType>(type: T | '*', listener: (event: HubEvent<T>) => void): () => void {
    const guarded = (event: HubEvent<T>): void => {
      try {
        listener(event);
      } catch (error) {
        this.settings.log.error({ err: error, type: event.type }, 'a live listener failed');
      }
    };
    this.#live.on(type, guarded);
    return () => void this.#live.off(type, guarded);
  }

  async flush(): Promise<void> {
    while (this.#settling || this.#settled.length > 0) {
      clearTimeout(this.#settleTimer);
      this.#settleTimer = undefined;
      await (this.#settling ?? this.#write());
    }
  }

  #make<T extends EventType>(type: T, data: EventTypes[T]) {
    const { path } = factsOf(data);
    const event = {
      specversion: '1.0',
      id: uuidv7(),
      type,
      source: `entrepot/${this.settings.node}`,
      ...(path !== undefined && { subject: path }),
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      data,
    } as unknown as HubEvent;
    const targets = this.rules.targetsFor(event).map(({ id }) => id);
    return { event, targets, recorded: targets.length > 0 || this.settings.record.some(pattern => matchesType(pattern, type)) };
  }

  #record(event: HubEvent, targets: readonly string[], proof?: OperationProof): EventRecord {
    const { user, path } = factsOf(event.data);
    return { event, user, path, targets, proof };
  }

  #settle(settled: Settled): void {
    this.#settled.push(settled);
    if (this.#settling) return;
    if (this.#settled.length >= SETTLE_BATCH) this.#writeSoon(0);
    else this.#settleTimer ??= setTimeout(() => this.#writeSoon(0), SETTLE_WAIT_MS);
  }

  #writeSoon(waitMs: number): void {
    clearTimeout(this.#settleTimer);
    this.#settleTimer = setTimeout(() => {
      this.#settleTimer = undefined;
      if (!this.#settling) this.#write().catch(() => undefined);
    }, waitMs);
  }

  /** Settles one batch; never more than one is under way. What fails stays, and is written again later. */
  #write(): Promise<void> {
    const batch = this.#settled.slice(0, SETTLE_BATCH);
    this.#settling = this.events
      .settle(batch.map(({ event }) => event.id))
      .then(
        () => this.#written(batch),
        (error: unknown) => {
          this.settings.log.warn({ err: error, events: this.#settled.length }, 'events could not be made deliverable; trying again');
          this.#writeSoon(SETTLE_AGAIN_MS);
          throw error;
        },
      )
      .finally(() => {
        this.#settling = undefined;
      });
    return this.#settling;
  }

  #written(batch: readonly Settled[]): void {
    this.#settled.splice(0, batch.length);
    for (const { event } of batch) this.#emit(event);
    if (batch.some(({ wanted }) => wanted)) this.#wake();
    if (this.#settled.length > 0) this.#writeSoon(0);
  }

  #announce(event: HubEvent, wanted: boolean): void {
    this.#emit(event);
    if (wanted) this.#wake();
  }

  #emit(event: HubEvent): void {
    this.#live.emit(event.type, event);
    this.#live.emit('*', event);
  }

  #wake(): void {
    if (this.#wakeTimer) return;
    const wait = this.#wokenAt + WAKE_EVERY_MS - performance.now();
    const broadcast = (): void => {
      this.#wakeTimer = undefined;
      this.#wokenAt = performance.now();
      this.coordinator.broadcast('deliveries.waiting', {});
    };
    if (wait <= 0) broadcast();
    else this.#wakeTimer = setTimeout(broadcast, wait);
  }
}
