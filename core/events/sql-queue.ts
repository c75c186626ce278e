import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { DeliveryRepository } from '../db/deliveries.js';
import { uuidv7 } from '../ids.js';
import { ClaimCycle, endAll, type RunningWork } from './claim-cycle.js';
import type { ClaimedDelivery } from './delivery.js';
import { KnownTargets } from './known-targets.js';
import { EventQueue } from './queue.js';
import { RuleTable } from './rules.js';
import { EventSettings } from './settings.js';
import { shareSlots } from './slots.js';

type Run = (delivery: ClaimedDelivery, signal: AbortSignal) => Promise<void>;

interface Running extends RunningWork {
  readonly target: string;
  readonly claimant: string;
}

const POLL_MS = 1_000;

/** The queue that needs nothing but the database: claims what is due when woken, and each second. */
@injectable()
export class SqlEventQueue extends EventQueue {
  readonly #running = new Map<string, Running>();
  #run: Run | undefined;
  readonly #claims = new ClaimCycle(
    () => this.#claimDue(),
    error => this.settings.log.warn({ err: error }, 'deliveries could not be claimed; trying again'),
  );
  #timers: NodeJS.Timeout[] = [];
  #unlisten: (() => void) | undefined;
  #known: KnownTargets | undefined;

  constructor(
    private readonly deliveries: DeliveryRepository,
    private readonly rules: RuleTable,
    private readonly coordinator: Coordinator,
    private readonly settings: EventSettings,
  ) {
    super();
  }

  async start(run: Run): Promise<void> {
    const released = await this.deliveries.releaseNode(this.settings.node);
    if (released > 0) this.settings.log.info({ deliveries: released }, 'deliveries that were cut off are tried again');
    this.#run = run;
    this.#known = new KnownTargets(this.rules, this.coordinator, this.settings);
    this.#unlisten = this.coordinator.listen('deliveries.waiting', () => this.wake());
    this.#timers = [setInterval(() => this.#poll(), POLL_MS), setInterval(() => this.#renew(), this.settings.leaseMs / 3)];
    this.wake();
  }

  wake(): void {
    if (this.#run) this.#claims.wake();
  }

  async stop(signal: AbortSignal): Promise<void> {
    this.#run = undefined;
    this.#unlisten?.();
    this.#known?.stop();
    await this.#claims.ended();
    await endAll([...this.#running.values()], signal);
    for (const timer of this.#timers) clearInterval(timer);
  }

  #poll(): void {
    if (!this.#run) return;
    this.deliveries
      .releaseExpired()
      .catch((error: unknown) => this.settings.log.warn({ err: error }, 'lost deliveries could not be looked for'));
    this.wake();
  }

  #renew(): void {
    const claimants = new Set([...this.#running.values()].map(({ claimant }) => claimant));
    if (claimants.size === 0) return;
    this.deliveries
      .renew([...claimants], this.settings.leaseMs)
      .catch((error: unknown) => this.settings.log.warn({ err: error }, 'claims could not be renewed'));
  }

  /** Takes what is due for the slots that are free. Another process may have taken some, or a target had less than its share: whoever got any asks again. */
  async #claimDue(): Promise<boolean> {
    if (!this.#run || !this.#known || this.#running.size >= this.settings.concurrency) return false;
    const wanted = (await this.deliveries.dueTargets()).filter(({ target }) => !this.rules.isPaused(target));
    const due = this.#known.among(wanted);
    const shares = shareSlots(due, this.#busy(), this.settings.concurrency);
    if (shares.size === 0) return false;
    const claimant = `${this.settings.node}/${uuidv7()}`;
    const claimed = await this.deliveries.claim(shares, claimant, this.settings.leaseMs, this.rules.limitsOf(shares.keys()));
    for (const delivery of claimed) this.#begin(delivery, claimant);
    return claimed.length > 0;
  }

  #begin(delivery: ClaimedDelivery, claimant: string): void {
    const run = this.#run;
    const controller = new AbortController();
    const done = (run ? run(delivery, controller.signal) : this.deliveries.release(delivery.id, delivery.attempt))
      .catch((error: unknown) => this.settings.log.error({ err: error, delivery: delivery.id }, 'a delivery ended without an outcome'))
      .finally(() => {
        this.#running.delete(delivery.id);
        this.wake();
      });
    this.#running.set(delivery.id, { target: delivery.target, claimant, controller, done });
  }

  #busy(): ReadonlyMap<string, number> {
    const busy = new Map<string, number>();
    for (const { target } of this.#running.values()) busy.set(target, (busy.get(target) ?? 0) + 1);
    return busy;
  }
}
