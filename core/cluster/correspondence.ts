import { type ErrorCode, HubError, toHubError } from '../errors.js';

/** A way to one other process: what is sent arrives whole and in order, or never. */
export interface Wire {
  send(letter: unknown): void;
  /** Calls `listener` with each letter that comes. To be called once. */
  receive(listener: (letter: unknown) => void): void;
}

/** What a process does when it is told or asked something; what it gives, or throws, is the answer. */
export type Correspondent = (input: never) => unknown;

type Letter =
  | { readonly tell: string; readonly input: unknown }
  | { readonly ask: string; readonly id: number; readonly input: unknown }
  | { readonly answer: number; readonly result?: unknown; readonly error?: { readonly code: ErrorCode; readonly message: string } };

interface Question {
  readonly answered: (result: unknown) => void;
  readonly failed: (error: HubError) => void;
}

/** Statements, questions and answers between this process and one other. */
export class Correspondence {
  readonly #correspondents = new Map<string, Correspondent>();
  readonly #questions = new Map<number, Question>();
  #last = 0;
  #end: HubError | undefined;

  constructor(private readonly wire: Wire) {
    wire.receive(letter => void this.#receive(letter as Letter));
  }

  /** Has `correspondent` hear and answer what comes under `topic`. Questions under a topic that nobody answers fail with 'unsupported'. */
  on(topic: string, correspondent: Correspondent): void {
    this.#correspondents.set(topic, correspondent);
  }

  /** Lost once the other process is gone. */
  tell(topic: string, input: unknown = null): void {
    if (!this.#end) this.wire.send({ tell: topic, input } satisfies Letter);
  }

  /** What the other process answers. Throws what it throws there, and 'unavailable' when it is gone or does not answer within `limitMs`. */
  ask(topic: string, input: unknown = null, limitMs?: number): Promise<unknown> {
    if (this.#end) return Promise.reject(this.#end);
    const id = ++this.#last;
    const asked = new Promise<unknown>((answered, failed) => this.#questions.set(id, { answered, failed }));
    const silent = () => this.#questions.get(id)?.failed(new HubError('unavailable', 'A process of the hub does not answer'));
    const timer = limitMs === undefined ? undefined : setTimeout(silent, limitMs);
    this.wire.send({ ask: topic, id, input } satisfies Letter);
    return asked.finally(() => {
      clearTimeout(timer);
      this.#questions.delete(id);
    });
  }

  /** To be called when the other process is gone: nothing is sent any more, and what was asked fails. */
  close(reason = 'A process of the hub has ended'): void {
    this.#end ??= new HubError('unavailable', reason);
    for (const { failed } of this.#questions.values()) failed(this.#end);
  }

  async #receive(letter: Letter): Promise<void> {
    if ('answer' in letter) {
      const question = this.#questions.get(letter.answer);
      if (letter.error) question?.failed(new HubError(letter.error.code, letter.error.message));
      else question?.answered(letter.result);
    } else if ('tell' in letter) {
      this.#correspondents.get(letter.tell)?.(letter.input as never);
    } else {
      const answer = await this.#answer(letter.ask, letter.input);
      if (!this.#end) this.wire.send({ answer: letter.id, ...answer } satisfies Letter);
    }
  }

  async #answer(topic: string, input: unknown) {
    try {
      const correspondent = this.#correspondents.get(topic);
      if (!correspondent) throw new HubError('unsupported', `Nobody answers '${topic}'`);
      return { result: await correspondent(input as never) };
    } catch (error) {
      const { code, message } = toHubError(error);
      return { error: { code, message } };
    }
  }
}
