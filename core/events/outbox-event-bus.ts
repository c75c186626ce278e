import { EventEmitter } from 'eventemitter3';
import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { type EventRecord, EventRepository, type Settlement } from '../db/events.js';
import { HubError } from '../errors.js';
import { uuidv7 } from '../ids.js';
import { EventBus, type OperationProof, type PendingEvent } from './bus.js';
import { DoubtfulEvents } from './doubtful-events.js';
import { factsOf } from './facts.js';
import { RuleTable } from './rules.js';
import { EventSettings } from './settings.js';
import { type EventType, type EventTypes, type HubEvent, matchesType } from './types.js';

/** An event whose operation took place and of which the database does not know that yet. */
interface Settled {
  readonly event: HubEvent;
  readonly targets: readonly string[];
}

const SETTLE_WAIT_MS = 5;
const SETTLE_BATCH = 500;
const SETTLE_AGAIN_MS = 1_000;
const WAKE_EVERY_MS = 10;

/** The bus on the outbox tables: an event and its deliveries are rows of one transaction. */
@injectable()
export class OutboxEventBus extends EventBus {
  readonly #live = new EventEmitter();
  readonly #settled: Settled[] = [];
  readonly #writing = new Set<Promise<void>>();
  readonly #doubtful: DoubtfulEvents;
  #settleTimer: NodeJS.Timeout | undefined;
  #wakeTimer: NodeJS.Timeout | undefined;
  #wokenAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly events: EventRepository,
    private readonly rules: RuleTable,
    private readonly coordinator: Coordinator,
    private readonly settings: EventSettings,
  ) {
    super();
    this.#doubtful = new DoubtfulEvents(ids => events.drop(ids), settings.log);
  }

  async publish<T extends EventType>(type: T, data: EventTypes[T], trx?: Knex.Transaction): Promise<void> {
    const { event, targets, recorded } = this.#make(type, data);
    if (recorded && trx) await this.events.record(this.#record(event, targets), trx);
    else if (recorded) await this.#timed(this.#recordWithSettled(this.#record(event, targets)));
    if (trx) void trx.executionPromise.then(() => this.#announce(event, targets.length > 0)).catch(() => undefined);
    else this.#announce(event, targets.length > 0);
  }

  async prepare<T extends EventType>(type: T, data: EventTypes[T], proof: OperationProof): Promise<PendingEvent> {
    const { event, targets, recorded } = this.#make(type, data);
    if (!recorded) return { settle: () => this.#announce(event, false), drop: async () => undefined };
    const doubt = (error: unknown): never => {
      this.#doubtful.add(event.id);
      throw error;
    };
    await this.#timed(this.#recordWithSettled(this.#record(event, targets, { ...proof, owner: this.settings.process }))).catch(doubt);
    if (this.settings.isDoubtful()) {
      await this.events.drop([event.id]).catch(doubt);
      throw new HubError('unavailable', 'The database did not answer for long; try again');
    }
    return {
      settle: () => this.#settle({ event, targets }),
      drop: () => this.events.drop([event.id]).catch(doubt),
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
    await this.#doubtful.clear();
    while (this.#writing.size > 0 || this.#settled.length > 0) {
      if (this.#settled.length > 0) await this.#write();
      else await Promise.all(this.#writing);
    }
    clearTimeout(this.#settleTimer);
    this.#settleTimer = undefined;
  }

  async #timed(work: Promise<void>): Promise<void> {
    const began = performance.now();
    await work;
    this.settings.metrics.observe('entrepot_event_publish_seconds', {}, (performance.now() - began) / 1_000);
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
    if (this.#settled.length >= SETTLE_BATCH) this.#writeSoon(0);
    else if (!this.#settleTimer) this.#writeSoon(SETTLE_WAIT_MS);
  }

  #writeSoon(waitMs: number): void {
    clearTimeout(this.#settleTimer);
    this.#settleTimer = setTimeout(() => {
      this.#settleTimer = undefined;
      if (this.#writing.size > 0) this.#writeSoon(SETTLE_WAIT_MS);
      else if (this.#settled.length > 0) this.#write().catch(() => undefined);
    }, waitMs);
  }

  /** Settles one batch; none of those that wait on a timer begins while another is under way. */
  #write(): Promise<void> {
    return this.#settleBy(({ ids, wanted, checked }) => this.events.settle(ids, wanted, checked));
  }

  /**
   * What was settled so far becomes ready together with the new record. Not only for speed: the operation that comes now may
   * change what the proof of an earlier one looks at.
   */
  async #recordWithSettled(record: EventRecord): Promise<void> {
    if (this.#settled.length === 0) return void (await this.events.record(record));
    return this.#settleBy(settlement => this.events.record(record, undefined, settlement));
  }

  /** What fails stays, and is written again later. */
  async #settleBy(write: (settlement: Settlement) => Promise<readonly string[]>): Promise<void> {
    const batch = this.#settled.splice(0, SETTLE_BATCH);
    const isWanted = batch.some(({ targets }) => targets.length > 0);
    const written = write({ ids: batch.map(({ event }) => event.id), wanted: isWanted, checked: this.settings.hasOthers });
    const noted = written.then(
      () => undefined,
      () => undefined,
    );
    this.#writing.add(noted);
    let missing: readonly string[];
    try {
      missing = await written;
    } catch (error) {
      this.#settled.unshift(...batch);
      this.settings.log.warn({ err: error, events: this.#settled.length }, 'events could not be made deliverable; trying again');
      this.#writeSoon(SETTLE_AGAIN_MS);
      throw error;
    } finally {
      this.#writing.delete(noted);
    }
    for (const { event } of batch) if (!missing.includes(event.id)) this.#emit(event);
    if (isWanted) this.#wake();
    if (missing.length > 0) this.#recordAnew(batch.filter(({ event }) => missing.includes(event.id)));
    if (this.#settled.length > 0 && !this.#settleTimer) this.#writeSoon(SETTLE_WAIT_MS);
  }

  /** Their operations took place, although another process, which took this one for dead, decided otherwise. */
  #recordAnew(dropped: readonly Settled[]): void {
    const { log } = this.settings;
    const recording = Promise.all(
      dropped.map(async settled => {
        const { event, targets } = settled;
        try {
          await this.events.record(this.#record(event, targets));
          log.warn({ event: event.id, type: event.type }, 'an event that another process had dropped took place: it is recorded anew');
          this.#announce(event, targets.length > 0);
        } catch (error) {
          log.warn({ err: error, event: event.id }, 'an event that another process had dropped could not be recorded; trying again');
          this.#settled.push(settled);
          this.#writeSoon(SETTLE_AGAIN_MS);
        }
      }),
    ).then(() => undefined);
    this.#writing.add(recording);
    void recording.finally(() => this.#writing.delete(recording));
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
