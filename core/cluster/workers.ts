import cluster, { type Worker } from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, HubError } from '../errors.js';
import { randomToken } from '../ids.js';
import type { Logger } from '../log.js';
import { Correspondence, type Wire } from './correspondence.js';
import { FiguresHost } from './figures.js';
import { recoverHandedOver } from './handed-over.js';
import { CoordinatorHost } from './ipc-host.js';
import { type Assignment, nameOfPart } from './part.js';
import { WorkerLink } from './worker-link.js';

/** How many processes there are, and how long they may take to end. */
export interface WorkersSettings {
  /** Processes that serve clients. */
  readonly serving: number;
  /** For transfers that run when a process is to end. */
  readonly graceMs: number;
  /** For load balancers to notice that the hub stops, before that time begins. */
  readonly noticeMs: number;
  readonly log: Logger;
}

/** The process of one place, which changes. */
interface Place {
  readonly part: Pick<Assignment, 'role' | 'index'>;
  current: Running | undefined;
  /** Resolves when the process that comes next is ready. */
  next: Promise<Running> | undefined;
}

const DEATHS = 5;
const DEATHS_MS = 60_000;
const BACK_OFF_MS = 500;
/** So long after the time for transfers, a process that has not ended is ended. */
const STOP_MARGIN_MS = 15_000;
/** How long an administrator's request may wait for the process that does it. */
const OPERATION_MS = 15_000;

/** The link to the primary, in a process that one has started; undefined in any other. */
export function workerLink(): WorkerLink | undefined {
  if (!cluster.isWorker) return undefined;
  // Its end is that of the hub: what goes on alone would write into files that the next one believes its own.
  process.once('disconnect', () => process.exit(1));
  return new WorkerLink({
    send: letter => void process.send?.(letter, undefined, undefined, () => undefined),
    receive: listener => void process.on('message', listener),
  });
}

/**
 * The processes of a hub on this machine: those that serve clients, which share their ports, and one for jobs. Held by the primary,
 * which serves nobody and opens no database. A process that dies is replaced, at once for the first time and later the more
 * often it happens; five deaths in a minute are the end.
 */
export class Workers {
  readonly #host = new CoordinatorHost();
  readonly #figures = new FiguresHost();
  readonly #assignment: Pick<Assignment, 'count' | 'family' | 'ticketSeed' | 'primaryPid'>;
  readonly #jobs: Place = { part: { role: 'jobs', index: 0 }, current: undefined, next: undefined };
  readonly #serving: readonly Place[];
  readonly #running = new Set<Running>();
  readonly #log: Logger;
  #deaths: number[] = [];
  #isStopping = false;
  #reloading: Promise<void> = Promise.resolve();
  #operations = 0;
  #fail: (error: HubError) => void = () => undefined;
  /** Resolves to why, when the processes die too often; the rest are to be stopped then. */
  readonly failed = new Promise<HubError>(resolve => (this.#fail = resolve));

  constructor(private readonly settings: WorkersSettings) {
    const { serving, log } = settings;
    this.#log = log;
    this.#assignment = { count: serving, family: randomToken(9), ticketSeed: randomBytes(48), primaryPid: process.pid };
    this.#serving = Array.from({ length: serving }, (_, index) => ({
      part: { role: 'serve', index },
      current: undefined,
      next: undefined,
    }));
  }

  /** Starts all. Resolves to where they accept clients. Throws what the first that cannot start throws. */
  async start(): Promise<readonly unknown[]> {
    // Limits may be infinite, which JSON does not know.
    cluster.setupPrimary({ serialization: 'advanced' });
    // One after the other, for what only the first one makes: the schema, then keys and certificates.
    await this.#fill(this.#jobs);
    const [first, ...others] = this.#serving;
    const { listeners } = await this.#fill(first!);
    await Promise.all(others.map(place => this.#fill(place)));
    this.#jobs.current?.letters.tell('worker.listening', listeners);
    return listeners;
  }

  /** What an administrator asks for, done by the process for jobs. Throws what it throws, and 'unavailable' while there is none. */
  async operate(name: string, input: unknown): Promise<unknown> {
    const late = sleep(OPERATION_MS, undefined, { ref: false });
    const running = await Promise.race([this.#jobs.next ?? this.#jobs.current, late]);
    if (!running) throw new HubError('unavailable', 'The hub is being started anew; try again in a moment');
    this.#operations++;
    try {
      return await running.letters.ask('worker.operation', { name, input });
    } finally {
      this.#operations--;
    }
  }

  /** Whether new clients should come. */
  get isReady(): boolean {
    return !this.#isStopping;
  }

  /** Which process has which part, those that only let their clients finish included, those that begin not. */
  list(): readonly { readonly name: string; readonly pid: number }[] {
    return [...this.#running].filter(({ isReady }) => isReady).map(({ name, pid }) => ({ name, pid }));
  }

  /**
   * Replaces all processes, those that serve one by one: each accepts clients before the one before it stops to, which then lets its
   * clients go on for half the time for transfers, and transfers for the other half. Resolves when the last of them has ended. Throws what
   * a new process throws that cannot start; then those before it stay. May be repeated meanwhile: it is done again then.
   */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.catch(() => undefined).then(() => this.#reload());
    return this.#reloading;
  }

  /** Ends all: first those that serve, whose transfers may go on for `graceMs`, then that for jobs. */
  async stop(graceMs = this.settings.graceMs): Promise<void> {
    this.#isStopping = true;
    const all = [...this.#running];
    const noticeMs = graceMs > 0 ? this.settings.noticeMs : 0;
    await Promise.all(all.filter(({ role }) => role === 'serve').map(running => running.stop(graceMs, noticeMs)));
    await Promise.all(all.filter(({ role }) => role === 'jobs').map(running => running.stop(graceMs)));
    // Those that were just being started.
    await Promise.all([...this.#running].map(running => running.stop(0)));
  }

  async #reload(): Promise<void> {
    const { graceMs } = this.settings;
    this.#log.info({ processes: this.list() }, 'the processes are replaced');
    const drains: Promise<void>[] = [];
    for (const place of this.#serving) {
      const before = place.current;
      await this.#fill(place).catch((error: unknown) => {
        // The one before may have died meanwhile.
        void this.#refill(place);
        throw error;
      });
      if (before) drains.push(before.retire(graceMs));
    }
    await this.#replaceJobs();
    await Promise.all(drains);
    this.#log.info({ processes: this.list() }, 'the processes were replaced');
  }

  /** The one before first: two of them would take each other's deliveries for lost. */
  async #replaceJobs(): Promise<void> {
    const before = this.#jobs.current;
    let open: (running: Running) => void = () => undefined;
    let refuse: (error: unknown) => void = () => undefined;
    this.#jobs.next = new Promise<Running>((resolve, reject) => ([open, refuse] = [resolve, reject]));
    this.#jobs.next.catch(() => undefined);
    for (let waited = 0; this.#operations > 0 && waited < 50; waited++) await sleep(100);
    await before?.stop(this.settings.graceMs);
    await this.#fill(this.#jobs).then(open, (error: unknown) => {
      refuse(error);
      this.#jobs.current = undefined;
      void this.#refill(this.#jobs);
      throw error;
    });
  }

  /** Puts a new process into a place, and resolves when it is ready. */
  async #fill(place: Place): Promise<Running> {
    if (this.#isStopping) throw new HubError('unavailable', 'The hub stops');
    const running = this.#spawn(place);
    place.next ??= running.ready.then(() => running);
    place.next.catch(() => undefined);
    try {
      await running.ready;
      place.current = running;
      return running;
    } catch (error) {
      await running.stop(0);
      throw error;
    } finally {
      place.next = undefined;
    }
  }

  #spawn(place: Place): Running {
    const worker = cluster.fork();
    const running = new Running(worker, nameOfPart(place.part), place.part.role);
    const { letters } = running;
    const isOther = (one: Running) => one !== running && one.role === 'serve' && one.isReady && !one.isExpected;
    recoverHandedOver(worker.process, () => [...this.#running].some(isOther));
    this.#running.add(running);
    const leave = this.#host.join(letters);
    letters.on('worker.begin', (): Assignment => ({ ...this.#assignment, ...place.part }));
    const forget = this.#figures.join(letters);
    void running.ended.then(how => {
      leave();
      forget();
      this.#running.delete(running);
      this.#noteEnd(place, running, how);
    });
    return running;
  }

  #noteEnd(place: Place, running: Running, how: string): void {
    if (running.isExpected || this.#isStopping || place.current !== running) return;
    place.current = undefined;
    this.#log.error({ process: running.name, pid: running.pid, how }, 'a process of the hub ended unexpectedly; it is replaced');
    this.#countDeath(running.name, how);
    // A reload may be about to replace it.
    if (!place.next) void this.#refill(place);
  }

  async #refill(place: Place): Promise<void> {
    while (!this.#isStopping && !place.current && !place.next) {
      await sleep(BACK_OFF_MS * Math.max(0, this.#deaths.length - 1));
      if (this.#isStopping || place.current || place.next) return;
      await this.#fill(place).catch((error: unknown) => {
        if (this.#isStopping) return;
        this.#log.error({ err: error, process: nameOfPart(place.part) }, 'a process of the hub could not be started');
        this.#countDeath(nameOfPart(place.part), (error as Error).message);
      });
    }
  }

  #countDeath(name: string, how: string): void {
    const now = performance.now();
    this.#deaths = [...this.#deaths.filter(at => at > now - DEATHS_MS), now];
    if (this.#deaths.length >= DEATHS)
      this.#fail(new HubError('unavailable', `Processes of the hub ended ${DEATHS} times within a minute, the last one '${name}': ${how}`));
  }
}

/** One process. */
class Running {
  readonly letters: Correspondence;
  /** Resolves when it does its part. Throws what it throws instead, and 'unavailable' when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves to how it ended. */
  readonly ended: Promise<string>;
  listeners: readonly unknown[] = [];
  isReady = false;
  /** Whether it is to end. */
  isExpected = false;

  constructor(
    private readonly worker: Worker,
    readonly name: string,
    readonly role: Assignment['role'],
  ) {
    this.letters = new Correspondence(wireTo(worker));
    this.ended = new Promise(resolve => {
      worker.on('error', () => undefined);
      worker.once('exit', (code, signal) => {
        this.letters.close();
        resolve(signal ? `by ${signal}` : `with exit code ${code}`);
      });
    });
    this.ready = new Promise((resolve, reject) => {
      this.letters.on('worker.ready', (listeners: readonly unknown[]) => {
        this.listeners = listeners;
        this.isReady = true;
        resolve();
      });
      this.letters.on('worker.failed', ({ code, message }: { readonly code: ErrorCode; readonly message: string }) =>
        reject(new HubError(code, message)),
      );
      void this.ended.then(how => reject(new HubError('unavailable', `The process '${name}' of the hub ended ${how} before it was ready`)));
    });
    this.ready.catch(() => undefined);
  }

  get pid(): number {
    return this.worker.process.pid ?? -1;
  }

  /** Lets clients go on for half of `graceMs`, then ends it like stop(). */
  retire(graceMs: number): Promise<void> {
    return this.#end('worker.retire', graceMs);
  }

  /** Ends it, with `graceMs` for its transfers; 0 is at once. Resolves when it has ended. */
  stop(graceMs: number, noticeMs = 0): Promise<void> {
    return this.#end('worker.stop', graceMs, noticeMs);
  }

  async #end(topic: string, graceMs: number, noticeMs = 0): Promise<void> {
    this.isExpected = true;
    this.letters.tell(topic, graceMs);
    const timer = setTimeout(() => this.worker.process.kill('SIGKILL'), graceMs + noticeMs + STOP_MARGIN_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

function wireTo(worker: Worker): Wire {
  return {
    send: letter => {
      if (worker.isConnected()) worker.send(letter as object, undefined as never, () => undefined);
    },
    receive: listener => void worker.on('message', listener),
  };
}
