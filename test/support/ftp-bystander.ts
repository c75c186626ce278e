import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { FtpClient, type FtpLogin } from './ftp-client.js';

/** A client that behaves and must notice nothing: it puts and gets a file over and over until it is stopped. */
export class FtpBystander {
  readonly #times: number[] = [];
  #stopped = false;
  #failure: unknown;
  readonly #running: Promise<void>;

  private constructor(private readonly client: FtpClient) {
    this.#running = this.#run().catch((error: unknown) => {
      this.#failure = error;
    });
  }

  static async start(login: FtpLogin): Promise<FtpBystander> {
    return new FtpBystander(await FtpClient.connect(login));
  }

  /** Ends it; gives its figures. Throws when a round failed, or took longer than `limitMs`. */
  async stop(limitMs = 5_000): Promise<string> {
    this.#stopped = true;
    await this.#running;
    this.client.close();
    if (this.#failure !== undefined) throw new Error(`the bystander: ${String(this.#failure)}`);
    const slowest = Math.max(...this.#times);
    assert.ok(this.#times.length > 0 && slowest < limitMs, `the slowest of ${this.#times.length} rounds took ${slowest.toFixed(0)} ms`);
    return `${this.#times.length} rounds of the bystander, slowest ${slowest.toFixed(0)} ms`;
  }

  async #run(): Promise<void> {
    const content = Buffer.alloc(50_000, 'bystander');
    while (!this.#stopped) {
      const began = performance.now();
      assert.equal((await this.client.send('STOR bystander.bin', content)).code, 226);
      assert.ok((await this.client.fetch('RETR bystander.bin')).data.equals(content), 'the content differs');
      this.#times.push(performance.now() - began);
      await sleep(20);
    }
  }
}
