import { PassThrough } from 'node:stream';
import { factsOf } from '#core/events/facts.js';
import type { HubEvent } from '#core/events/types.js';
import { OPERATIONS } from '#core/operations/index.js';
import type { SessionSnapshot } from '#core/session-info.js';
import { deliveryView } from '../api/events.js';
import type { Caller } from '../auth/caller.js';
import type { WebServices } from '../services.js';
import { type Rates, Throughput } from './throughput.js';

/** A change of the sessions is seen well within a second; looking takes a tenth of the time at most, however many there are. */
const LOOK_MS = 300;
const LOOK_SHARE = 10;
const HISTORY_MS = 5_000;
const BEAT_MS = 15_000;
/** What a browser that does not read may have waiting before it is dropped. */
const MAX_WAITING_BYTES = 4 * 1_048_576;
/** Of a resume, the most that is sent after; beyond it, the page reads everything anew. */
const MAX_MISSED = 1_000;
const MAX_SESSIONS = 200;

/** Tables whose records let a caller listen, and which record that is. */
const CONCERNS: Readonly<Record<string, (caller: Caller) => string | undefined>> = {
  web_sessions: ({ session }) => session?.id,
  api_keys: ({ key }) => key?.id,
  admins: ({ kind, account }) => (kind === 'admin' ? account.id : undefined),
  users: ({ kind, account }) => (kind === 'user' ? account.id : undefined),
};

/** One browser that listens. */
interface Listener {
  readonly caller: Caller;
  readonly stream: PassThrough;
  /** Whether the caller may still listen. */
  readonly check: () => Promise<boolean>;
  /** Events that come while those that were missed are sent. */
  held: HubEvent[] | undefined;
}

/** What happens, as it happens: events, deliveries and sessions, to each browser what it may see. */
export class LiveFeed {
  readonly #listeners = new Set<Listener>();
  #stop: (() => void) | undefined;
  #lastSessions = '';
  #lastRates: Rates = { upload: 0, download: 0 };
  readonly #throughput = new Throughput();

  constructor(private readonly services: WebServices) {}

  /** A stream of server-sent events, after the one of `lastId` where that is given. */
  async listen(caller: Caller, lastId: string | undefined, check: () => Promise<boolean>): Promise<PassThrough> {
    const stream = new PassThrough();
    const listener: Listener = { caller, stream, check, held: lastId === undefined ? undefined : [] };
    this.#listeners.add(listener);
    stream.once('close', () => this.#leave(listener));
    this.#stop ??= this.#start();
    // So that a browser knows at once that it is connected; it waits that long before it tries again.
    stream.write('retry: 2000\nevent: ready\ndata: {}\n\n');
    if (lastId !== undefined) await this.#catchUp(listener, lastId);
    await this.#sendSessions(await this.#sessions(), [listener]);
    return stream;
  }

  /** Ends every stream. */
  close(): void {
    for (const { stream } of this.#listeners) stream.end();
  }

  #start(): () => void {
    const { live, log, operations } = this.services;
    const { coordinator, ruleTable } = operations;
    const warn = (error: unknown) => log.warn({ err: error }, 'live updates could not be sent');
    this.#throughput.reset();
    const stops = [
      live.watch({
        event: event => {
          this.#throughput.ended(event);
          for (const listener of this.#listeners) this.#offer(listener, event);
        },
        delivery: ({ id }) => void this.#sendDelivery(id).catch(warn),
      }),
      coordinator.listen('records.changed', ({ table, id }) => {
        const isConcerned = CONCERNS[table];
        if (isConcerned) void this.#review(({ caller }) => id === undefined || isConcerned(caller) === id).catch(warn);
      }),
      ruleTable.watch(source => {
        for (const listener of this.#administrators()) this.#send(listener, 'rules', { source });
      }),
      repeat(LOOK_MS, () => this.#look().catch(warn)),
      repeat(HISTORY_MS, () => this.#sendTraffic().catch(warn)),
      repeat(BEAT_MS, () => this.#beat().catch(warn)),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  #offer(listener: Listener, event: HubEvent): void {
    if (!maySee(listener.caller, event)) return;
    if (listener.held) listener.held.push(event);
    else this.#send(listener, 'event', event, event.id);
  }

  async #catchUp(listener: Listener, lastId: string): Promise<void> {
    const { caller } = listener;
    const filter = caller.kind === 'user' ? { user: caller.account.username } : {};
    const missed = await this.services.operations.events.after(lastId, filter, MAX_MISSED);
    if (missed.length >= MAX_MISSED) this.#send(listener, 'reset', {});
    else for (const event of missed) if (maySee(caller, event)) this.#send(listener, 'event', event, event.id);
    const sent = new Set(missed.map(({ id }) => id));
    const held = listener.held ?? [];
    listener.held = undefined;
    for (const event of held) if (!sent.has(event.id)) this.#send(listener, 'event', event, event.id);
  }

  async #sendDelivery(id: string): Promise<void> {
    const wanted = this.#administrators();
    if (wanted.length === 0) return;
    const delivery = await this.services.operations.deliveries.find(id);
    if (delivery) for (const listener of wanted) this.#send(listener, 'delivery', deliveryView(delivery));
  }

  async #look(): Promise<void> {
    const sessions = await this.#sessions();
    this.#sendRates(this.#throughput.look(sessions));
    const text = JSON.stringify(sessions.map(({ lastActivity: _, ...shown }) => shown));
    if (text === this.#lastSessions) return;
    this.#lastSessions = text;
    await this.#sendSessions(sessions, [...this.#listeners]);
  }

  /** To administrators, and only what differs from the last. */
  #sendRates(rates: Rates | undefined): void {
    if (!rates || (rates.upload === this.#lastRates.upload && rates.download === this.#lastRates.download)) return;
    this.#lastRates = rates;
    for (const listener of this.#administrators()) this.#send(listener, 'throughput', rates);
  }

  async #sendTraffic(): Promise<void> {
    if (this.#administrators().length === 0) return;
    const { traffic } = this.services.operations;
    const before = traffic.revision;
    await traffic.update();
    const bins = traffic.bins(before);
    if (bins.length > 0) for (const listener of this.#administrators()) this.#send(listener, 'traffic', { bins });
  }

  #administrators(): readonly Listener[] {
    return [...this.#listeners].filter(({ caller }) => caller.kind === 'admin');
  }

  #sessions(): Promise<readonly SessionSnapshot[]> {
    return OPERATIONS['sessions.list'].run(this.services.operations, {});
  }

  async #sendSessions(sessions: readonly SessionSnapshot[], listeners: readonly Listener[]): Promise<void> {
    const busy = [...sessions].sort((one, other) => other.transfers.length - one.transfers.length);
    for (const listener of listeners) {
      const { caller } = listener;
      const own = caller.kind === 'admin' ? busy : busy.filter(({ user }) => user === caller.account.username);
      this.#send(listener, 'sessions', { items: own.slice(0, MAX_SESSIONS), total: own.length });
    }
  }

  /** Keeps proxies from ending what is quiet, and ends what is no longer allowed. */
  async #beat(): Promise<void> {
    await this.#review(() => true);
    for (const { stream } of this.#listeners) if (!stream.writableEnded) stream.write(': \n\n');
  }

  /** Ends the streams of those who may listen no longer. */
  async #review(isConcerned: (listener: Listener) => boolean): Promise<void> {
    for (const listener of [...this.#listeners].filter(isConcerned)) if (!(await listener.check())) listener.stream.end();
  }

  #send({ stream }: Listener, type: string, data: unknown, id?: string): void {
    if (stream.writableEnded || stream.destroyed) return;
    if (stream.writableLength + stream.readableLength > MAX_WAITING_BYTES) return void stream.destroy();
    stream.write(`event: ${type}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`);
  }
}

/** Admins see every event, users those of their own files and logins. */
function maySee(caller: Caller, event: HubEvent): boolean {
  return caller.kind === 'admin' || (event.type !== 'admin.acted' && factsOf(event.data).user === caller.account.username);
}

/** Runs `work` again and again, with `ms` between, or longer where it takes long itself; gives what ends that. */
function repeat(ms: number, work: () => Promise<void>): () => void {
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const run = async () => {
    const began = performance.now();
    await work();
    if (!ended) timer = setTimeout(() => void run(), Math.max(ms, LOOK_SHARE * (performance.now() - began)));
  };
  timer = setTimeout(() => void run(), ms);
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

const feeds = new WeakMap<WebServices, LiveFeed>();

/** That of a web server. */
export function feedFor(services: WebServices): LiveFeed {
  let feed = feeds.get(services);
  if (!feed) {
    feed = new LiveFeed(services);
    feeds.set(services, feed);
  }
  return feed;
}
