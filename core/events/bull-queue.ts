import { Coordinator, type Lease } from '../cluster/coordinator.js';
import type { RedisSettings } from '../cluster/redis-connection.js';
import { DeliveryRepository, type RunningTry } from '../db/deliveries.js';
import { uuidv7 } from '../ids.js';
import { BullConnection, type DeliveryJob } from './bull-connection.js';
import { ClaimCycle, endAll, type RunningWork } from './claim-cycle.js';
import type { ClaimedDelivery } from './delivery.js';
import { KnownTargets } from './known-targets.js';
import { EventQueue } from './queue.js';
import { RuleTable } from './rules.js';
import { EventSettings } from './settings.js';
import { shareSlots } from './slots.js';

type Run = (delivery: ClaimedDelivery, signal: AbortSignal) => Promise<void>;

interface Running extends RunningWork {
  readonly delivery: DeliveryJob;
}

const POLL_MS = 1_000;
/** How often this node looks after what it put into Redis. */
const LOOK_AFTER_MS = 3_000;
/** What was claimed this short a time ago may be on its way to Redis. */
const UNDER_WAY_MS = 2_000;
/** A node that lives has given its claim to Redis, or back, long before. */
const ORPHANED_MS = 10_000;
/** When another node is claiming. */
const CLAIM_AGAIN_MS = 10;
/** Marks claims that this node runs by itself, so that nobody looks for them in Redis. */
const ONLY_HERE = '/here/';
const UNKNOWN_REASON = 'The try was given back: this node does not know what wanted the event, another one does';
const LOST_REASON = 'The try was lost: Redis forgot it, or did not take it';

/**
 * The queue of many nodes, on BullMQ. The rows stay the truth: each node claims what is due, as the SQL driver does, and gives it to
 * BullMQ, whose workers, one on each node, run it. What Redis loses is found and claimed anew within seconds; while Redis is away,
 * rows wait. BullMQ retries nothing: a job always completes, and its outcome is in the rows.
 */
export class BullEventQueue extends EventQueue {
  readonly #running = new Map<string, Running>();
  #run: Run | undefined;
  #bull: BullConnection | undefined;
  readonly #claims = new ClaimCycle(
    () => this.#claimInTurn(),
    error => this.settings.log.warn({ err: error }, 'deliveries could not be claimed; trying again'),
  );
  #lookingAfter: Promise<void> | undefined;
  /** Tries of other nodes that Redis knows nothing of, and since when that was seen. */
  #orphans: ReadonlyMap<string, number> = new Map();
  /** Whether Redis did not take what it was given last. */
  #refused = false;
  #timers: NodeJS.Timeout[] = [];
  #unlisten: (() => void) | undefined;
  #known: KnownTargets | undefined;

  constructor(
    private readonly deliveries: DeliveryRepository,
    private readonly rules: RuleTable,
    private readonly coordinator: Coordinator,
    private readonly settings: EventSettings,
    private readonly redis: RedisSettings,
  ) {
    super();
  }

  async start(run: Run): Promise<void> {
    const { node, concurrency, leaseMs, log } = this.settings;
    this.#run = run;
    this.#known = new KnownTargets(this.rules, this.coordinator, this.settings);
    this.#bull = await BullConnection.open(this.redis, {
      node,
      concurrency,
      process: job => this.#process(job),
      onReady: () => this.#poll(),
      onError: error => log.debug({ err: error }, 'BullMQ does not reach Redis'),
    });
    await this.#releaseFormer();
    this.#unlisten = this.coordinator.listen('deliveries.waiting', () => this.wake());
    this.#timers = [
      setInterval(() => this.#poll(), POLL_MS),
      setInterval(() => this.#lookAfter(), Math.min(LOOK_AFTER_MS, leaseMs / 3)),
      setInterval(() => this.#renew(), leaseMs / 3),
    ];
    this.wake();
  }

  wake(): void {
    if (this.#run && this.#bull) this.#claims.wake();
  }

  async stop(signal: AbortSignal): Promise<void> {
    this.#run = undefined;
    this.#unlisten?.();
    this.#known?.stop();
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all([this.#claims.ended(), this.#lookingAfter]);
    await endAll([...this.#running.values()], signal);
    await this.#bull?.close();
    await this.#giveBack().catch((error: unknown) => this.settings.log.debug({ err: error }, 'claims were not given back'));
    await this.#bull?.disconnect();
  }

  #poll(): void {
    if (!this.#run) return;
    this.deliveries
      .releaseExpired()
      .catch((error: unknown) => this.settings.log.warn({ err: error }, 'lost deliveries could not be looked for'));
    this.wake();
  }

  #renew(): void {
    this.deliveries
      .renewTries(
        [...this.#running.values()].map(({ delivery }) => delivery),
        this.settings.leaseMs,
      )
      .catch((error: unknown) => this.settings.log.warn({ err: error }, 'claims could not be renewed'));
  }

  /** One node at a time, so that a target's share holds for all together. */
  async #claimInTurn(): Promise<boolean> {
    if (!this.#run || !this.#bull?.ready || !(await this.#takes())) return false;
    const lease = await this.coordinator.acquire('deliveries/claiming', 1);
    if (lease) return this.#claim(lease);
    setTimeout(() => this.wake(), CLAIM_AGAIN_MS);
    return false;
  }

  /** After a refusal, nothing is claimed until Redis takes something again. */
  async #takes(): Promise<boolean> {
    if (!this.#refused) return true;
    try {
      await this.#bull?.probe();
      this.#refused = false;
      return true;
    } catch {
      return false;
    }
  }

  /** Whether there may be more. */
  async #claim(lease: Lease): Promise<boolean> {
    const known = this.#known!;
    let claimed: readonly ClaimedDelivery[] = [];
    try {
      const [due, tries] = await Promise.all([this.deliveries.dueTargets(), this.deliveries.running()]);
      const wanted = known.among(due.filter(({ target }) => !this.rules.isPaused(target)));
      const shares = shareSlots(
        wanted,
        countTargets(tries.filter(one => this.#isOwn(one))),
        this.settings.concurrency,
        countTargets(tries.filter(one => !this.#isOwn(one))),
      );
      const isOnlyHere = ([target]: readonly [string, number]) => known.isOnlyHere(target);
      const here = await this.#take([...shares].filter(isOnlyHere), ONLY_HERE);
      for (const delivery of here) this.#process({ ...delivery, node: this.settings.node }).catch(() => undefined);
      claimed = await this.#take(
        [...shares].filter(share => !isOnlyHere(share)),
        '/',
      );
      if (claimed.length === 0) return here.length > 0;
    } finally {
      await lease.release();
    }
    return this.#handOut(claimed);
  }

  async #take(shares: readonly (readonly [string, number])[], mark: string): Promise<readonly ClaimedDelivery[]> {
    if (shares.length === 0) return [];
    const [wanted, claimant] = [new Map(shares), `${this.settings.node}${mark}${uuidv7()}`];
    return this.deliveries.claim(wanted, claimant, this.settings.leaseMs, this.rules.limitsOf(wanted.keys()));
  }

  /** Whether Redis took them. */
  async #handOut(claimed: readonly ClaimedDelivery[]): Promise<boolean> {
    const { node, log } = this.settings;
    try {
      await this.#bull!.add(claimed.map(delivery => ({ ...delivery, node })));
      return true;
    } catch (error) {
      this.#refused = true;
      log.debug({ err: error, deliveries: claimed.length }, 'Redis did not take deliveries');
      for (const { id, attempt } of claimed) await this.deliveries.release(id, attempt, LOST_REASON);
      return false;
    }
  }

  /** A job of BullMQ: always completes, unless the database does not answer. */
  async #process(delivery: DeliveryJob): Promise<void> {
    const run = this.#run;
    if (!run || this.#running.has(delivery.id)) return;
    const controller = new AbortController();
    const done = this.#try(run, delivery, controller.signal).finally(() => this.#running.delete(delivery.id));
    this.#running.set(delivery.id, { delivery, controller, done: done.catch(() => undefined) });
    await done;
    // Whose claim it was has a slot free.
    if (delivery.node === this.settings.node) this.wake();
    else this.coordinator.broadcast('deliveries.waiting', {});
  }

  async #try(run: Run, delivery: DeliveryJob, signal: AbortSignal): Promise<void> {
    // A job may come late, or twice.
    if (!(await this.deliveries.isRunning(delivery.id, delivery.attempt))) return;
    if (this.#known?.mayTake(delivery.target) === false) {
      await this.deliveries.release(delivery.id, delivery.attempt, UNKNOWN_REASON);
      this.#known.tell([delivery.target]);
      return;
    }
    await run(delivery, signal).catch((error: unknown) =>
      this.settings.log.error({ err: error, delivery: delivery.id }, 'a delivery ended without an outcome'),
    );
  }

  /** Keeps the claims of what waits in Redis, and gives back what Redis has lost, or ended without an outcome. */
  #lookAfter(): void {
    if (this.#lookingAfter || !this.#bull?.ready) return;
    this.#lookingAfter = this.#lookAfterOwn()
      .then(() => this.#lookAfterOthers())
      .catch((error: unknown) => this.settings.log.debug({ err: error }, 'what is in Redis could not be looked at'))
      .finally(() => {
        this.#lookingAfter = undefined;
      });
  }

  async #lookAfterOwn(): Promise<void> {
    const before = this.deliveries.now() - UNDER_WAY_MS;
    const own = (await this.#ownTries()).filter(({ claimedAt }) => claimedAt < before);
    const waiting: RunningTry[] = [];
    for (const one of own) {
      const { state } = await this.#bull!.stateOf(one);
      if (state === 'waiting') waiting.push(one);
      else if (state !== 'running') await this.deliveries.release(one.id, one.attempt, LOST_REASON);
    }
    await this.deliveries.renewTries(waiting, this.settings.leaseMs);
    if (own.length > waiting.length) this.wake();
  }

  /**
   * What a node had claimed that was killed before Redis had it: nothing but the end of the claim would bring it back, unless the node
   * starts again. One node at a time looks; a try that goes on after all finds that it is no longer to be made.
   */
  async #lookAfterOthers(): Promise<void> {
    const before = this.deliveries.now() - ORPHANED_MS;
    const others = (await this.deliveries.running()).filter(
      one => !this.#isOwn(one) && !one.claimedBy.includes(ONLY_HERE) && one.claimedAt < before && !this.#running.has(one.id),
    );
    const lease = others.length > 0 ? await this.coordinator.acquire('deliveries/orphans', 1) : undefined;
    if (!lease) return;
    try {
      const [now, seen] = [performance.now(), new Map<string, number>()];
      for (const { id, attempt } of others) {
        const { state } = await this.#bull!.stateOf({ id, attempt });
        if (state === 'waiting' || state === 'running') continue;
        const since = this.#orphans.get(`${id}-${attempt}`) ?? now;
        if (now - since >= ORPHANED_MS) await this.deliveries.release(id, attempt, LOST_REASON);
        else seen.set(`${id}-${attempt}`, since);
      }
      this.#orphans = seen;
    } finally {
      await lease.release();
    }
  }

  /** What this node had claimed before it was killed runs anew, unless it waits in Redis or another node runs it. */
  async #releaseFormer(): Promise<void> {
    const { node, log } = this.settings;
    let released = 0;
    for (const { id, attempt } of await this.#ownTries()) {
      const job = await this.#bull!.stateOf({ id, attempt }).catch(() => undefined);
      if (job?.state === 'waiting' || (job?.state === 'running' && job.runsOn !== node)) continue;
      await this.deliveries.release(id, attempt, 'The try was cut off: the hub ended');
      released++;
    }
    if (released > 0) log.info({ deliveries: released }, 'deliveries that were cut off are tried again');
  }

  /** At the end: what nobody has begun is due for the other nodes, or for the next start. */
  async #giveBack(): Promise<void> {
    for (const { id, attempt } of await this.#ownTries()) {
      const job = await this.#bull?.stateOf({ id, attempt }).catch(() => undefined);
      if (job?.state !== 'running') await this.deliveries.release(id, attempt);
    }
  }

  async #ownTries(): Promise<readonly RunningTry[]> {
    return (await this.deliveries.running()).filter(one => this.#isOwn(one) && !this.#running.has(one.id));
  }

  #isOwn({ claimedBy }: RunningTry): boolean {
    return claimedBy.startsWith(`${this.settings.node}/`);
  }
}

function countTargets(tries: readonly RunningTry[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { target } of tries) counts.set(target, (counts.get(target) ?? 0) + 1);
  return counts;
}
