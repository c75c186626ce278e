import { HubError } from '../errors.js';
import type { EventBus } from '../events/bus.js';
import type { Guards } from '../guards.js';
import type { Logger } from '../log.js';
import type { SessionInfo, TransferSnapshot } from '../session-info.js';
import type { DigestSlots } from './digest-slots.js';
import type { HiddenPlace } from './hidden-places.js';
import type { MountTable } from './mounts.js';
import type { OpenPlaces } from './open-places.js';
import { PlaceOrder } from './place-order.js';
import type { Policy } from './policy.js';
import type { ResumableUploads } from './resume.js';
import type { Transfer } from './transfer.js';

/** What the virtual filesystem works with, the same for all sessions. */
export class VfsServices {
  /** Begins the names of this hub's unfinished uploads, so that it sweeps only its own. Set once, when the hub opens. */
  stagingPrefix = 'upload';
  /** Kept from all users. Set once, when the hub opens. */
  hidden: HiddenPlace | undefined;
  readonly order = new PlaceOrder();
  /** Runs `work` while no process of the hub runs another one of the same name. Set once, when the hub is put together. */
  alone: <T>(name: string, work: () => Promise<T>) => Promise<T> = (_name, work) => work();

  /** `durable`: whether files and directories are flushed to stable storage before a client hears "done". */
  constructor(
    readonly guards: Guards,
    readonly bus: EventBus,
    readonly uploads: ResumableUploads,
    readonly log: Logger,
    readonly durable: boolean,
    readonly places: OpenPlaces,
    readonly digests: DigestSlots,
  ) {}
}

/** One session, as its files see it: who, what it may do, and what it has open. */
export class SessionScope {
  readonly #transfers = new Set<Transfer>();
  readonly #opening = new Set<Promise<Transfer>>();
  #lastActivity = Date.now();
  #places = 0;

  /** `policy` and `mounts` are replaced when an admin changes the user: the next operation goes by them. */
  constructor(
    readonly info: SessionInfo,
    readonly userId: string,
    public policy: Policy,
    public mounts: MountTable,
    readonly signal: AbortSignal,
    private readonly places: OpenPlaces,
  ) {}

  /** When the client last asked for something, in ms since 1970. */
  get lastActivity(): number {
    return this.#lastActivity;
  }

  /** Notes that the client is at work. Throws 'aborted' when the session has ended. */
  touch(): void {
    if (this.signal.aborted) throw new HubError('aborted', 'The session has ended');
    this.#lastActivity = Date.now();
  }

  /** How many files and directories the session may have open. */
  get openLimit(): number {
    return this.places.perSession;
  }

  /** Counts a file or a directory as open until givePlace(). Throws 'unavailable' when the session, or all sessions of its user, have too many. */
  takePlace(): void {
    this.places.take(this.userId, this.#places);
    this.#places++;
  }

  givePlace(): void {
    this.#places--;
    this.places.give(this.userId);
  }

  /** Opens a file by `open` and counts it until it is removed. Throws what takePlace() throws, 'aborted' when the session ends meanwhile. */
  async open(open: () => Promise<Transfer>): Promise<Transfer> {
    this.touch();
    this.takePlace();
    const opening = open();
    opening.catch(() => this.givePlace());
    this.#opening.add(opening);
    try {
      const transfer = await opening;
      this.#transfers.add(transfer);
      // Whoever ends the session waits for what is being opened, and aborts it.
      this.touch();
      return transfer;
    } finally {
      this.#opening.delete(opening);
    }
  }

  remove(transfer: Transfer): void {
    if (this.#transfers.delete(transfer)) this.givePlace();
  }

  /** The unfinished upload of this session to `path`, when there is one: its own client may look at it before it is published. */
  uploading(path: string): Transfer | undefined {
    for (const transfer of this.#transfers) if (transfer.path === path && transfer.isStaged) return transfer;
    return undefined;
  }

  /** What the session moves now. */
  transfers(): readonly TransferSnapshot[] {
    return [...this.#transfers].map(transfer => transfer.snapshot());
  }

  /** The client is lost: interrupts everything that is open; resolves when nothing is. */
  async abortAll(reason: string): Promise<void> {
    const abort = () => Promise.allSettled([...this.#transfers].map(transfer => transfer.interrupt(reason)));
    await Promise.all([abort(), Promise.allSettled(this.#opening)]);
    await abort();
  }
}
