import { injectable } from 'tsyringe';
import { Coordinator } from './cluster/coordinator.js';
import { HubError } from './errors.js';
import type { Logger } from './log.js';

const MAX_INTERVAL_MS = 2 ** 31 - 1;

interface Task {
  readonly name: string;
  readonly intervalMs: number;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** Runs tasks again and again, each in one process of the whole cluster at a time. */
@injectable()
export class Schedule {
  readonly #tasks: Task[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(private readonly coordinator: Coordinator) {}

  /**
   * Runs `run` every `intervalMs` from start() on. A run that fails is logged, and the next one comes in its time.
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

  /** Starts no more runs, aborts those under way and resolves when they have ended. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#stopping.abort();
    await Promise.allSettled(this.#running);
  }

  #begin(task: Task, log: Logger): void {
    const run = this.#runOnce(task).catch((error: unknown) => log.error({ err: error, task: task.name }, 'scheduled task failed'));
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  }

  async #runOnce({ name, run }: Task): Promise<void> {
    const lease = await this.coordinator.acquire(`task/${name}`, 1);
    if (!lease) return;
    try {
      if (!this.#stopping.signal.aborted) await run(this.#stopping.signal);
    } finally {
      await lease.release();
    }
  }
}
