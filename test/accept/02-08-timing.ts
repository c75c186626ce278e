import assert from 'node:assert/strict';
import { Client, type NextAuthHandler } from 'ssh2';
import { HubProcess } from '../support/hub-process.js';
import type { AcceptScript } from './script.js';

const TRIES = 200;
/** One connection may ask forty times. */
const TRIES_A_CONNECTION = 25;
const WITHIN = 0.05;

interface Guess {
  readonly user: string;
  readonly password: string;
}

/** What must take as long as the wrong password that stands first. */
const PAIRS: readonly { readonly what: string; readonly guesses: readonly [Guess, Guess] }[] = [
  {
    what: 'unknown user',
    guesses: [
      { user: 'alice', password: 'wrong' },
      { user: 'nobody', password: 'wrong' },
    ],
  },
  {
    what: 'right password of a user who needs the key before it',
    guesses: [
      { user: 'both', password: 'wrong' },
      { user: 'both', password: 'secret' },
    ],
  },
];

const script: AcceptScript = {
  id: '02.8',
  title: 'an unknown user, and a right password without its key, take as long as a wrong password',
  alone: true,
  async run(report) {
    const hub = await HubProcess.start({ env: { ENTREPOT_DEFENCE__ENABLED: 'false', ENTREPOT_PROTOCOLS__SFTP__MAX_TRIES: '100' } });
    await hub.addUser('alice', 'secret');
    await hub.addUser('both', 'secret');
    await hub.cli(['user', 'set', 'both', '--method', 'publickey+password']);
    for (const { what, guesses } of PAIRS) {
      await report.check(`${what}: medians of ${TRIES} interleaved tries each differ by at most ${WITHIN * 100} %`, async () => {
        const [wrong, other] = await measure(hub.port, guesses);
        const difference = Math.abs(wrong - other) / wrong;
        const found = `wrong password ${wrong.toFixed(2)} ms, ${what} ${other.toFixed(2)} ms, ${(difference * 100).toFixed(1)} %`;
        assert.ok(difference <= WITHIN, found);
        return found;
      });
    }
    await hub.stop();
  },
};

/** Median times in ms of the two guesses. */
async function measure(port: number, [one, two]: readonly [Guess, Guess]): Promise<readonly [one: number, two: number]> {
  const times: readonly [number[], number[]] = [[], []];
  while (times[0].length < TRIES) {
    const guessers = await Promise.all([Guesser.connect(port, one.user), Guesser.connect(port, two.user)]);
    for (let i = 0; i < TRIES_A_CONNECTION; i++) {
      // Each is the first one every other time.
      const order = i % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
      for (const which of order) times[which].push(await guessers[which].guess([one, two][which]!.password));
    }
    for (const guesser of guessers) guesser.end();
  }
  return [median(times[0]), median(times[1])];
}

/** One connection that tries one password after the other. */
class Guesser {
  readonly #client = new Client();
  #next: NextAuthHandler | undefined;
  #answered: () => void = () => {};
  #failed: (error: Error) => void = () => {};

  private constructor(private readonly username: string) {}

  static async connect(port: number, username: string): Promise<Guesser> {
    const guesser = new Guesser(username);
    const greeted = guesser.#answer();
    guesser.#client.on('error', error => guesser.#failed(error));
    guesser.#client.on('close', () => guesser.#failed(new Error('the connection was closed')));
    let asked = false;
    guesser.#client.connect({
      host: '127.0.0.1',
      port,
      username,
      authHandler: (_methods, _partial, next) => {
        if (!asked) {
          asked = true;
          next({ type: 'none', username });
          return;
        }
        guesser.#next = next as NextAuthHandler;
        guesser.#answered();
      },
    });
    await greeted;
    return guesser;
  }

  /** Gives how long the refusal took, in ms. */
  async guess(password: string): Promise<number> {
    const answer = this.#answer();
    const began = performance.now();
    this.#next?.({ type: 'password', username: this.username, password });
    await answer;
    return performance.now() - began;
  }

  end(): void {
    this.#client.destroy();
  }

  #answer(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
    });
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}

export default script;
