import { injectable } from 'tsyringe';
import { Coordinator, type Lease } from './cluster/coordinator.js';
import { HubError } from './errors.js';
import type { Logger } from './log.js';

const MAX_INTERVAL_MS = 2 ** 31 - 1;

interface Task {
  readonly name: string;
  readonly intervalMs: number;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** So much of the interval nobody else runs the task: the rest is for timers that are not exact. */
const HELD = 0.9;

/** Runs tasks again and again, each once an interval in the whole cluster, in one process at a time. */
@injectable()
export class Schedule {
  readonly #tasks: Task[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  /** Tasks that ran here, and what frees each for the others. */
  readonly #held = new Map<Lease, NodeJS.Timeout>();
  readonly #stopping = new AbortController();

  constructor(private readonly coordinator: Coordinator) {}

  /**
   * Runs `run` every `intervalMs` from start() on, in whichever process comes first. A run that fails is logged, and the next one comes
   * in its time, or in that of another process. So it does when the process that ran it has ended.
   * Throws 'invalid-request' for an interval under 1 ms or over 2^31 - 1 ms, of which timers would make 1 ms.
   */
  every(intervalMs: number, name: string, run: (signal: AbortSignal) => Promise<void>): void {
    if (!(intervalMs >= 1 && intervalMs <= MAX_INTERVAL_MS))
      throw new HubError('invalid-request', `The interval of task '${name}' is not between 1 ms and 24 days`);
    this.#tasks.push({ name, intervalMs, run });
  }

  start(log: Logger): void {
    for (const task of this.#tasks) {
      const timer = setInterval(() => this.#begin(task, log), task.intervalMs);
      timer.unref();
      this.#timers.add(timer);
    }
  }

  /** Starts no more runs, aborts those under way and resolves when they have ended; the other processes may run them then. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#stopping.abort();
    await Promise.allSettled(this.#running);
    await Promise.allSettled([...this.#held.keys()].map(lease => this.#free(lease)));
  }

  #begin(task: Task, log: Logger): void {
    const run = this.#runOnce(task).catch((error: unknown) => log.error({ err: error, task: task.name }, 'scheduled task failed'));
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  }

  async #runOnce({ name, intervalMs, run }: Task): Promise<void> {
    const lease = await this.coordinator.acquire(`task/${name}`, 1);
    if (!lease) return;
    const began = performance.now();
    try {
      if (!this.#stopping.signal.aborted) await run(this.#stopping.signal);
    } catch (error) {
      await lease.release();
      throw error;
    }
    const restMs = Math.max(0, HELD * intervalMs - (performance.now() - began));
    this.#held.set(lease, setTimeout(() => void this.#free(lease).catch(() => undefined), restMs).unref());
  }

  async #free(lease: Lease): Promise<void> {
    clearTimeout(this.#held.get(lease));
    this.#held.delete(lease);
    await lease.release();
  }
}
