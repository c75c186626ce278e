import type { Redis } from 'ioredis';
import { randomToken } from '../ids.js';
import type { SessionSnapshot } from '../session-info.js';

/** What a channel tells its owner, and asks of it. */
export interface ChannelEars {
  message(topic: string, message: unknown): void;
  holders(group: string): readonly SessionSnapshot[];
}

interface Question {
  readonly parts: SessionSnapshot[][];
  /** How many have answered, and how many were asked. */
  answers: number;
  asked: number;
  readonly done: () => void;
}

type Note =
  | { readonly from: string; readonly topic: string; readonly message: unknown }
  | { readonly from: string; readonly ask: string; readonly group: string }
  | { readonly answer: string; readonly snapshots: SessionSnapshot[] };

/** A process that does not answer within this time is left out. */
const ANSWER_MS = 800;

/** What processes tell each other over Redis: messages to all, and the question who holds something. */
export class RedisChannel {
  readonly #questions = new Map<string, Question>();
  /** The channel on which every process hears. */
  readonly all: string;
  readonly #own: string;

  constructor(
    private readonly redis: Redis,
    private readonly subscriber: Redis,
    private readonly prefix: string,
    private readonly id: string,
    private readonly ears: ChannelEars,
  ) {
    this.all = `${prefix}all`;
    this.#own = `${prefix}to:${id}`;
    subscriber.on('message', (_channel, text) => this.#hear(text));
    // The client subscribes again by itself only to what it once was subscribed to.
    subscriber.on('ready', () => void subscriber.subscribe(this.all, this.#own).catch(() => undefined));
  }

  /** Resolves when it hears, or when the first try to connect has failed. */
  async open(): Promise<void> {
    await this.subscriber.connect().catch(() => undefined);
    if (this.subscriber.status === 'ready') await this.subscriber.subscribe(this.all, this.#own).catch(() => undefined);
  }

  /** Sends to the other processes; what cannot be sent is lost. */
  send(topic: string, message: unknown): void {
    void this.#publish(this.all, { from: this.id, topic, message }).catch(() => undefined);
  }

  /** What the other processes hold in `group`, as far as they have told it within 0.8 s. */
  async ask(group: string): Promise<readonly SessionSnapshot[]> {
    const ask = randomToken(9);
    let done = () => {};
    const answered = new Promise<void>(resolve => {
      done = resolve;
    });
    const question: Question = { parts: [], answers: 0, asked: Infinity, done };
    this.#questions.set(ask, question);
    const timer = setTimeout(done, ANSWER_MS);
    // Who cannot be asked is left out. This process hears its own question, and answers like the others.
    this.#publish(this.all, { from: this.id, ask, group }).then(asked => {
      question.asked = asked;
      if (question.answers >= asked) done();
    }, done);
    await answered;
    clearTimeout(timer);
    this.#questions.delete(ask);
    return question.parts.flat();
  }

  /** Finds out whether it still hears: without an answer, the client connects anew. */
  beat(): void {
    if (this.subscriber.status === 'ready') void this.subscriber.ping().catch(() => undefined);
  }

  close(): void {
    this.subscriber.disconnect();
    for (const { done } of this.#questions.values()) done();
  }

  async #publish(channel: string, note: Note): Promise<number> {
    return this.redis.publish(channel, JSON.stringify(note));
  }

  #hear(text: string): void {
    const note = parse(text);
    if (!note) return;
    if ('answer' in note) this.#note(note.answer, note.snapshots);
    else if ('ask' in note) this.#answer(note);
    else if (note.from !== this.id) this.ears.message(note.topic, note.message);
  }

  #note(answer: string, snapshots: SessionSnapshot[]): void {
    const question = this.#questions.get(answer);
    if (!question) return;
    question.parts.push(snapshots);
    if (++question.answers >= question.asked) question.done();
  }

  #answer({ from, ask, group }: Extract<Note, { readonly ask: string }>): void {
    if (from === this.id) this.#note(ask, []);
    else void this.#publish(`${this.prefix}to:${from}`, { answer: ask, snapshots: [...this.ears.holders(group)] }).catch(() => undefined);
  }
}

function parse(text: string): Note | undefined {
  try {
    return (JSON.parse(text) as Note | null) ?? undefined;
  } catch {
    return undefined;
  }
}
