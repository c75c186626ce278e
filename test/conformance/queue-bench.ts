import type { ExecutionContext } from 'ava';
import type { ClaimedDelivery } from '#core/events/delivery.js';
import type { EventQueue } from '#core/events/queue.js';
import { type Outbox, type QueueParts, stopAtEnd } from './outbox.js';

type Run = (delivery: ClaimedDelivery, signal: AbortSignal) => Promise<void>;

/** What a test has: an outbox, and queues on it. */
export class Bench {
  /** Every try that began, in order. */
  readonly tries: ClaimedDelivery[] = [];

  constructor(
    private readonly t: ExecutionContext,
    readonly outbox: Outbox,
    private readonly driver: (parts: QueueParts) => EventQueue | Promise<EventQueue>,
  ) {}

  /** Starts a queue; `run` succeeds at once unless given. */
  async start(run: Run = async delivery => void (await this.succeed(delivery))): Promise<EventQueue> {
    const queue = stopAtEnd(this.t, await this.driver(this.outbox));
    await queue.start(async (delivery, signal) => {
      this.tries.push(delivery);
      await run(delivery, signal);
    });
    return queue;
  }

  async succeed({ id, attempt }: ClaimedDelivery): Promise<void> {
    await this.outbox.deliveries.finish(id, attempt, {
      startedAt: Date.now(),
      durationMs: 1,
      succeeded: true,
      summary: 'ok',
      answer: undefined,
    });
  }

  async fail({ id, attempt }: ClaimedDelivery, retryAt: number | undefined): Promise<void> {
    await this.outbox.deliveries.finish(id, attempt, {
      startedAt: Date.now(),
      durationMs: 1,
      succeeded: false,
      summary: 'no',
      answer: undefined,
      retryAt,
    });
  }

  async count(state: 'waiting' | 'running' | 'succeeded' | 'dead'): Promise<number> {
    return (await this.outbox.deliveries.page({ state }, undefined, 1)).total;
  }
}

/** A gate at which tries wait until it opens, or until they are aborted. */
export class Gate {
  #open!: () => void;
  readonly opened = new Promise<void>(resolve => {
    this.#open = resolve;
  });

  open(): void {
    this.#open();
  }

  async pass(signal: AbortSignal): Promise<void> {
    await Promise.race([this.opened, new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))]);
  }
}
