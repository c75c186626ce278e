import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { end, start } from '../support/children.js';

/** What a receiver counted since the last reset(). */
export interface Counted {
  /** Different events. */
  readonly ids: number;
  /** When each delivery arrived, in ms since 1970. */
  readonly arrivedAt: readonly number[];
}

/** A webhook endpoint in a process of its own. */
export class Counter {
  private constructor(
    private readonly child: ReturnType<typeof start>,
    readonly url: string,
  ) {}

  /** Starts one; a silent one takes deliveries and never answers. */
  static async start(silent = false): Promise<Counter> {
    const program = fileURLToPath(new URL('../support/counting-receiver.js', import.meta.url));
    const child = start(process.execPath, [program, ...(silent ? ['silent'] : [])], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const [{ port }] = (await once(child, 'message')) as [{ readonly port: number }];
    return new Counter(child, `http://127.0.0.1:${port}/hook`);
  }

  reset(): void {
    this.child.send('reset');
  }

  async counted(): Promise<Counted> {
    const answer = once(this.child, 'message');
    this.child.send('tell');
    const [counted] = (await answer) as [Counted];
    return counted;
  }

  async stop(): Promise<void> {
    await end(this.child);
  }
}
