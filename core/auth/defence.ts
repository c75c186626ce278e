import { Coordinator } from '../cluster/coordinator.js';
import type { AddressRule } from '../db/address-rules.js';
import type { Ban, BanRepository, FailureOf } from '../db/bans.js';
import { foldUsername } from '../db/names.js';
import { HubError } from '../errors.js';
import type { Logger } from '../log.js';
import { addressGroup, addressWithin, canonicalAddress } from '../net.js';
import { Turns } from './turns.js';
import { WaitingElsewhere } from './waiting-elsewhere.js';

/** What the defence goes by: `defence` and `limits` of the configuration. Times are in ms. */
export interface DefenceLimits {
  readonly unauthenticated: number;
  readonly unauthenticatedPerAddress: number;
  readonly enabled: boolean;
  readonly delay: number;
  readonly failures: number;
  readonly userFailures: number;
  readonly window: number;
  readonly ban: number;
  readonly maxBan: number;
}

/** A connection that has not logged in yet, as admit() counted it. */
export interface Admission {
  /** Frees its place; safe to call twice. */
  release(): void;
}

/** How a server treats who comes to it. */
export interface AdmissionTerms {
  /** Whether an address whose logins failed too often is admitted all the same, by a server that tells it so. */
  readonly evenBanned?: boolean;
}

/** From this share of the limit on, connections that have not logged in are dropped by chance... */
const EARLY_SHARE = 0.5;
/** ...and by this one at first, rising to all of them at the limit. */
const EARLY_CHANCE = 0.3;
/** From this share of the failures that ban on, each failure costs twice as long as the one before. */
const SLOW_SHARE = 2 / 3;
const MAX_DELAY_MS = 5_000;
/** So many times the connections that an address may have may wait beside them: clients open dozens at once, and log in within a moment. */
const WAITING_TIMES = 4;

/** Keeps guessers and floods out before they cost anything. Bans and the failures that lead to them are kept in the database. */
export class Defence {
  readonly #waiting = new Map<string, number>();
  readonly #bans = new Map<string, Ban>();
  readonly #turns: Turns;
  readonly #elsewhere: WaitingElsewhere;
  #rules: readonly AddressRule[] = [];
  /** What admins said of addresses; read at start() and whenever it changes. */
  rules: { list(): Promise<readonly AddressRule[]> } | undefined;
  #total = 0;

  constructor(
    private readonly coordinator: Coordinator,
    private readonly repository: BanRepository,
    private readonly limits: DefenceLimits,
    private readonly log: Logger,
    private readonly random: () => number = Math.random,
  ) {
    this.#turns = new Turns(limits.unauthenticatedPerAddress * WAITING_TIMES, Math.ceil(limits.unauthenticated / 2));
    this.#elsewhere = new WaitingElsewhere(
      coordinator,
      () => [...this.#waiting],
      group => this.#turns.next(group),
    );
  }

  /** Reads the bans, and from then on whenever some process changes them. */
  async start(): Promise<void> {
    this.coordinator.listen('records.changed', ({ table }) => {
      if (table === 'bans' || table === 'address_rules')
        void this.#read().catch((error: unknown) => this.log.error({ err: error }, 'The bans could not be read'));
    });
    await this.#read();
  }

  /** Counts a connection until it is released, over all processes. Undefined when it must be dropped: the address is turned away, or too many have not logged in yet. */
  admit(remoteAddress: string, terms: AdmissionTerms = {}): Admission | undefined {
    const group = addressGroup(remoteAddress);
    const waiting = this.#waiting.get(group) ?? 0;
    const reason = this.#refusal(remoteAddress, waiting + this.#elsewhere.of(group), terms);
    if (reason !== undefined) {
      this.log.info({ remoteAddress, reason }, 'connection refused');
      return undefined;
    }
    this.#waiting.set(group, waiting + 1);
    this.#total++;
    this.#elsewhere.changed();
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.#total--;
        const left = this.#waiting.get(group)! - 1;
        if (left === 0) this.#waiting.delete(group);
        else this.#waiting.set(group, left);
        this.#elsewhere.changed();
        this.#turns.next(group);
      },
    };
  }

  /**
   * Like admit(), for a connection that can wait: where its address has as many as it may, `decided` is called when one of
   * them is released, or after ten seconds; otherwise before this returns. What is given ends the wait of one that has left.
   */
  admitInTurn(remoteAddress: string, decided: (admission: Admission | undefined) => void, terms: AdmissionTerms = {}): () => void {
    const decide = () => {
      const admission = this.admit(remoteAddress, terms);
      decided(admission);
      return admission !== undefined;
    };
    const group = addressGroup(remoteAddress);
    const isFull = (this.#waiting.get(group) ?? 0) + this.#elsewhere.of(group) >= this.limits.unauthenticatedPerAddress;
    const isRefused = terms.evenBanned ? this.isDenied(remoteAddress) : this.isBanned(remoteAddress);
    const leave = isFull && !isRefused ? this.#turns.wait(group, decide) : undefined;
    if (!leave) decide();
    return leave ?? (() => undefined);
  }

  /** Whether logins from the address failed too often of late. */
  isBanned(remoteAddress: string): boolean {
    return this.isBannedUnder(this.#rules, remoteAddress);
  }

  /** Whether admins keep the address out, and do not let it in by another rule. */
  isDenied(remoteAddress: string): boolean {
    return says(this.#rules, 'deny', remoteAddress) && !says(this.#rules, 'allow', remoteAddress);
  }

  /** Whether the address would be turned away, for whatever reason, if these were all rules. */
  isBannedUnder(rules: readonly Pick<AddressRule, 'action' | 'range'>[], remoteAddress: string): boolean {
    if (says(rules, 'allow', remoteAddress)) return false;
    return says(rules, 'deny', remoteAddress) || this.#holds('address', addressGroup(remoteAddress));
  }

  /** Whether logins of this name failed too often of late, wherever they came from, so that none is let in by what can be guessed. */
  isUserBanned(username: string): boolean {
    return this.#holds('user', subjectOf(username));
  }

  /** Counts a failed login of an address and a name, and bans the one of which there were too many. Gives how long the answer is to be held, in ms. */
  async failed(remoteAddress: string, username: string): Promise<number> {
    if (!this.limits.enabled) return 0;
    const { failures, userFailures, delay } = this.limits;
    const count = await this.#count([
      { kind: 'address', subject: addressGroup(remoteAddress), limit: failures },
      ...(username === '' || this.isUserBanned(username)
        ? []
        : [{ kind: 'user', subject: subjectOf(username), limit: userFailures } as const]),
    ]);
    const slow = Math.max(0, count + 1 - Math.ceil(failures * SLOW_SHARE));
    return Math.min(MAX_DELAY_MS, delay * 2 ** slow);
  }

  /** The bans that hold now, the newest first. */
  async list(): Promise<readonly Ban[]> {
    return (await this.repository.list()).filter(({ until }) => until > Date.now());
  }

  /** Lifts the bans of an address, or of its /64, and of a user of this name. Throws 'not-found' when there is none. */
  async lift(subject: string): Promise<readonly Ban[]> {
    const subjects = [addressGroup(canonicalAddress(subject)), foldUsername(subject)];
    const lifted = (await this.list()).filter(ban => subjects[ban.kind === 'address' ? 0 : 1] === ban.subject);
    if (lifted.length === 0) throw new HubError('not-found', `'${subject}' is not turned away; \`entrepot ban list\` shows who is`);
    // The row stays for a while, since failures are counted from its time on.
    for (const ban of lifted) await this.#put({ ...ban, times: 0, until: Date.now() });
    return lifted;
  }

  #refusal(remoteAddress: string, waiting: number, { evenBanned }: AdmissionTerms): string | undefined {
    const { unauthenticated, unauthenticatedPerAddress } = this.limits;
    if (this.isDenied(remoteAddress)) return 'The address is denied';
    if (!evenBanned && this.isBanned(remoteAddress)) return 'Too many failed logins from this address';
    if (waiting >= unauthenticatedPerAddress) return 'Too many connections from this address that have not logged in';
    const total = this.#total + this.#elsewhere.total;
    if (total >= unauthenticated) return 'Too many connections that have not logged in';
    const early = unauthenticated * EARLY_SHARE;
    const chance = EARLY_CHANCE + ((1 - EARLY_CHANCE) * (total - early)) / (unauthenticated - early);
    if (total >= early && this.random() < chance) return 'Many connections have not logged in; this one was dropped by chance';
    return undefined;
  }

  #holds(kind: Ban['kind'], subject: string): boolean {
    const ban = this.#bans.get(`${kind} ${subject}`);
    return this.limits.enabled && ban !== undefined && ban.until > Date.now();
  }

  /** Gives the number of failures of the first subject in the window; one at its limit is banned, and is counted anew from then on. */
  async #count(subjects: readonly (Pick<Ban, 'kind' | 'subject'> & { readonly limit: number })[]): Promise<number> {
    const at = Date.now();
    const before = subjects.map(({ kind, subject }) => this.#bans.get(`${kind} ${subject}`));
    const counted = subjects.map(({ kind, subject }, i) => ({
      kind,
      subject,
      since: Math.max(at - this.limits.window, before[i]?.since ?? 0),
    }));
    const counts = await this.repository.recordFailures(counted, at, at - this.limits.window).catch(async (error: unknown) => {
      this.log.error({ err: error }, 'Failed logins could not be recorded; until they can, a restart forgets them');
      return this.#countInMemory(counted, before);
    });
    // Of tries that run at the same time, one bans.
    for (const [i, { kind, subject, limit }] of subjects.entries()) if (counts[i] === limit) await this.#ban(kind, subject, before[i]);
    return counts[0] ?? 0;
  }

  async #countInMemory(subjects: readonly FailureOf[], before: readonly (Ban | undefined)[]): Promise<readonly number[]> {
    const count = ({ kind, subject }: FailureOf, i: number) =>
      this.coordinator.count(`failed-logins/${kind}/${subject}/${before[i]?.since ?? 0}`, this.limits.window);
    return Promise.all(subjects.map(count));
  }

  async #ban(kind: Ban['kind'], subject: string, before: Ban | undefined): Promise<void> {
    const since = Date.now();
    const { ban, maxBan, failures, userFailures } = this.limits;
    const times = before && before.until > since - maxBan ? before.times + 1 : 1;
    const until = since + Math.min(maxBan, ban * 2 ** (times - 1));
    const reason = `${kind === 'address' ? failures : userFailures} failed logins`;
    // It holds in this process also when it cannot be kept.
    await this.#put({ kind, subject, times, reason, since, until }).catch((error: unknown) =>
      this.log.error({ err: error }, 'A ban could not be recorded'),
    );
    this.log.warn({ [kind]: subject, reason, times, until: new Date(until).toISOString() }, 'turned away');
  }

  async #put(ban: Ban): Promise<void> {
    this.#bans.set(`${ban.kind} ${ban.subject}`, ban);
    await this.repository.put(ban, Date.now() - this.limits.maxBan);
  }

  async #read(): Promise<void> {
    this.#rules = (await this.rules?.list()) ?? [];
    const bans = await this.repository.list();
    this.#bans.clear();
    for (const ban of bans) this.#bans.set(`${ban.kind} ${ban.subject}`, ban);
  }
}

function says(rules: readonly Pick<AddressRule, 'action' | 'range'>[], action: AddressRule['action'], remoteAddress: string): boolean {
  const ranges = rules.filter(rule => rule.action === action).map(({ range }) => range);
  return ranges.length > 0 && addressWithin(remoteAddress, ranges);
}

/** Names are given by strangers: what no user could be called is cut. */
function subjectOf(username: string): string {
  return foldUsername(username.slice(0, 64)).slice(0, 190);
}
