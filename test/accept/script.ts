import { Lacking } from '../support/tools.js';

/** How much of a check is done: the short form fits in four minutes, the full one takes the issue's own counts. */
export type Scale = 'short' | 'full';

/** One acceptance point of an issue, checked from outside. */
export interface AcceptScript {
  /** Issue and point: '01.3'. */
  readonly id: string;
  readonly title: string;
  /** It measures time, or what memory the machine gives: no other script runs beside it. */
  readonly alone?: true;
  /** Scripts that name the same are run by one process, one after the other: they share what takes minutes to make. */
  readonly shares?: 'installation';
  run(report: Report, scale: Scale): Promise<void>;
}

/** Counts the checks of a run and prints one line for each. */
export class Report {
  passed = 0;
  failed = 0;
  left = 0;

  constructor(private readonly id: string) {}

  /**
   * Runs one check and prints its line. Text that `check` gives is printed as its figures; what it throws is a failure.
   * A check that this machine cannot run is left out with the reason, and fails when CI is set. Later checks run all the same.
   */
  async check(name: string, check: () => unknown): Promise<void> {
    const began = performance.now();
    try {
      const figures = await check();
      this.passed += 1;
      this.#print('ok  ', name, began, figures);
    } catch (error) {
      if (error instanceof Lacking && !process.env.CI) {
        this.left += 1;
        this.#print('left', name, began, error.message);
        return;
      }
      this.failed += 1;
      this.#print('FAIL', name, began, error instanceof Error ? error.message : String(error));
      if (process.env.ACCEPT_STACK && error instanceof Error) console.log(error.stack);
    }
  }

  #print(verdict: string, name: string, began: number, figures: unknown): void {
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`${verdict} ${this.id} ${name} (${seconds} s)${typeof figures === 'string' ? `: ${figures}` : ''}`);
  }
}
