import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Login, RawSftp } from './raw-sftp.js';

/** A client that behaves and must notice nothing: it puts and gets a file over and over until it is stopped. */
export class Bystander {
  /** Of each round, in ms. */
  readonly times: number[] = [];
  #stopped = false;
  readonly #running: Promise<unknown>;
  #failure: unknown;

  private constructor(
    private readonly client: RawSftp,
    private readonly pauseMs: number,
  ) {
    this.#running = this.#run().catch((error: unknown) => {
      this.#failure = error;
    });
  }

  static async start(login: Login, pauseMs = 20): Promise<Bystander> {
    return new Bystander(await RawSftp.connect(login), pauseMs);
  }

  /** Ends it; gives its figures. Throws when a round failed, or took longer than `limitMs`. */
  async stop(limitMs = 5_000): Promise<string> {
    this.#stopped = true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('the bystander hangs')), limitMs);
    });
    await Promise.race([this.#running, late]).finally(() => clearTimeout(timer));
    this.client.cut();
    if (this.#failure !== undefined) throw new Error(`the bystander: ${String(this.#failure)}`);
    const slowest = Math.max(...this.times);
    assert.ok(this.times.length > 0 && slowest < limitMs, `the slowest of ${this.times.length} rounds took ${slowest.toFixed(0)} ms`);
    return `${this.times.length} rounds of the bystander, p99 ${percentile(this.times, 0.99).toFixed(0)} ms, slowest ${slowest.toFixed(0)} ms`;
  }

  async #run(): Promise<void> {
    const content = Buffer.alloc(50_000, 'bystander');
    while (!this.#stopped) {
      const began = performance.now();
      await this.client.put('/bystander.bin', content);
      assert.ok(content.equals(await this.client.get('/bystander.bin')), 'the content differs');
      this.times.push(performance.now() - began);
      await sleep(this.pauseMs);
    }
  }
}

/** The value that `share` of `values` do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
