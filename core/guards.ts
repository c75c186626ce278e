import type { Readable } from 'node:stream';
import { HubError, toHubError } from './errors.js';
import type { SessionInfo } from './session-info.js';

/** Actions that may be refused before they happen. Imperative names, where events are past. */
export interface GuardedActions {
  login: { readonly user: string; readonly protocol: string; readonly remoteAddress: string };
  upload: { readonly session: SessionInfo; readonly path: string; readonly replaces: boolean };
  /** The upload is complete and staged, and not yet visible: the place for a virus scan. */
  publish: {
    readonly session: SessionInfo;
    readonly path: string;
    readonly size: number;
    readonly content: () => Readable;
    /** Where the staged file lies on the local disk, when it does. */
    readonly localPath?: string;
  };
  download: { readonly session: SessionInfo; readonly path: string };
  delete: { readonly session: SessionInfo; readonly path: string };
  /** One that replaces a file is asked about as an upload to its target too. */
  rename: { readonly session: SessionInfo; readonly path: string; readonly target: string; readonly replaces: boolean };
}

/** The name of an action that guards may refuse. */
export type GuardedActionName = keyof GuardedActions;

/** One request to a guard that serves several actions. */
export type GuardedAction = { [A in GuardedActionName]: { readonly action: A } & GuardedActions[A] }[GuardedActionName];

/** Every guarded action, for menus and checks. */
export const GUARDED_ACTIONS = [
  'login',
  'upload',
  'publish',
  'download',
  'delete',
  'rename',
] as const satisfies readonly GuardedActionName[];

/** Refuses by throwing a HubError. Runs while the client waits: `signal` aborts at the time limit, and a timeout refuses. */
export type Guard<A extends GuardedActionName> = (request: GuardedActions[A], signal: AbortSignal) => void | Promise<void>;

/** What setTimeout can count: longer limits would come to nothing. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Registered {
  readonly guard: Guard<GuardedActionName>;
  readonly timeoutMs: number | undefined;
}

/** Asks those who may refuse an action, in the order in which they registered. */
export class Guards {
  readonly #registered = new Map<GuardedActionName, Registered[]>();

  constructor(private readonly defaultTimeoutMs: number) {}

  /** Adds a guard. `timeoutMs` replaces the configured limit; Infinity means that the guard keeps one of its own. */
  register<A extends GuardedActionName>(action: A, guard: Guard<A>, timeoutMs?: number): void {
    const list = this.#registered.get(action) ?? [];
    list.push({ guard: guard as unknown as Guard<GuardedActionName>, timeoutMs });
    this.#registered.set(action, list);
  }

  /** Whether anyone wants to be asked about `action`. */
  has(action: GuardedActionName): boolean {
    return this.#registered.has(action);
  }

  /**
   * Resolves when all guards allow the action. Throws what the first one that refuses throws: 'permission-denied' with
   * its reason, or 'unavailable' when it took longer than its limit or failed.
   */
  async ask<A extends GuardedActionName>(action: A, request: GuardedActions[A]): Promise<void> {
    for (const { guard, timeoutMs } of this.#registered.get(action) ?? []) {
      await withinLimit(signal => guard(request, signal), timeoutMs ?? this.defaultTimeoutMs);
    }
  }
}

async function withinLimit(ask: (signal: AbortSignal) => void | Promise<void>, limitMs: number): Promise<void> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    if (!Number.isFinite(limitMs)) return;
    timer = setTimeout(
      () => {
        reject(new HubError('unavailable', 'Refused: the check did not answer in time'));
        controller.abort();
      },
      Math.min(limitMs, MAX_TIMER_MS),
    );
  });
  try {
    await Promise.race([Promise.resolve(ask(controller.signal)), late]);
  } catch (error) {
    const failure = toHubError(error);
    throw failure.code === 'internal' ? new HubError('unavailable', 'Refused: the check failed', { cause: error }) : failure;
  } finally {
    clearTimeout(timer);
  }
}
