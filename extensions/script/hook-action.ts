import {
  type Delivery,
  DeliveryFailure,
  type ExtensionHost,
  type GuardedAction,
  guardEnvelope,
  HubError,
  PermanentFailure,
  printable,
  type Receipt,
  z,
} from '#core/api.js';
import type { HookCall, HookResult, HookRunner } from './runner.js';

const EX_DATAERR = 65;
const MAX_REASON_CHARACTERS = 200;
const MAX_LOGGED_CHARACTERS = 8_192;

/** What a rule's script action says. */
export const scriptOptions = z.strictObject({
  command: z
    .string()
    .max(512)
    .refine(isInside, 'expected the name of a file in the hooks folder, such as upload.completed.sh')
    .describe('File in the hooks folder; never a shell line'),
  timeoutMs: z.int().min(1).max(3_600_000).optional().describe('The longest time for one run, in milliseconds'),
  onError: z
    .enum(['refuse', 'allow'])
    .optional()
    .describe('What a check that cannot be started, or takes too long, means; refuses unless set'),
});

/** `scriptOptions` as parsed. */
export type ScriptOptions = z.output<typeof scriptOptions>;

/** The limits that hold where a rule gives none. */
export interface HookLimits {
  readonly timeoutMs: number;
  readonly guardTimeoutMs: number;
}

/** What the results of hooks mean: for deliveries, and for actions that wait for a yes. */
export class HookAction {
  constructor(
    private readonly runner: HookRunner,
    private readonly host: Pick<ExtensionHost, 'log' | 'localPath'>,
    private readonly limits: HookLimits,
  ) {}

  /** Runs the hook for an event: resolves on exit 0, throws PermanentFailure on 65 and DeliveryFailure on anything else. */
  async run(options: ScriptOptions, delivery: Delivery, signal: AbortSignal): Promise<Receipt> {
    const { event, attempt } = delivery;
    const localPath = await this.#localPath(event.data);
    const timeoutMs = options.timeoutMs ?? this.limits.timeoutMs;
    const call: HookCall = { command: options.command, event, attempt, localPath, timeoutMs };
    const result = await this.runner.run(call, signal).catch((error: unknown) => {
      if (signal.aborted) throw new DeliveryFailure('no free slot for the hook in time', { cause: error });
      throw error instanceof HubError ? new DeliveryFailure(error.message, { cause: error }) : error;
    });
    const answer = [result.stdout, result.stderr].filter(text => text !== '').join('\n');
    const failure = endOf(result, timeoutMs, signal);
    if (failure === undefined) return { summary: 'exit 0', answer };
    if (result.exitCode === EX_DATAERR && failure === 'exit 65') throw new PermanentFailure(failure, { answer });
    throw new DeliveryFailure(failure, { answer });
  }

  /**
   * Asks the hook whether an action may happen: exit 0 allows. Throws HubError 'permission-denied' with the hook's
   * reason on any other exit code, and 'unavailable' when it cannot be started, is ended by a signal or does not answer
   * in time, waiting for a slot included, unless `onError` is 'allow'.
   */
  async decide(options: ScriptOptions, action: GuardedAction, signal: AbortSignal): Promise<void> {
    const { command } = options;
    const timeoutMs = options.timeoutMs ?? this.limits.guardTimeoutMs;
    const localPath = action.action === 'publish' ? action.localPath : undefined;
    const call: HookCall = { command, event: guardEnvelope(action), attempt: 1, localPath, timeoutMs };
    let result: HookResult;
    try {
      result = await within(timeoutMs, signal, limited => this.runner.run(call, limited));
    } catch (error) {
      if (signal.aborted) throw new HubError('aborted', 'The action was ended before it was checked', { cause: error });
      return this.#undecided(options, error);
    }
    if (result.stderr)
      this.host.log.info({ hook: command, stderr: result.stderr.slice(0, MAX_LOGGED_CHARACTERS) }, 'A hook wrote to its standard error');
    if (result.exitCode === 0) return;
    if (result.exitCode !== undefined) throw new HubError('permission-denied', reasonOf(result.stdout));
    this.#undecided(options, result.timedOut ? new Late() : new Error(endOf(result, timeoutMs, signal)));
  }

  /** Undefined also when the storage has been removed since: the event still happened. */
  async #localPath(data: object): Promise<string | undefined> {
    const { storage, storagePath } = data as { readonly storage?: string; readonly storagePath?: string };
    if (storage === undefined || storagePath === undefined) return undefined;
    return this.host.localPath(storage, storagePath).catch((error: unknown) => {
      if (error instanceof HubError && error.code === 'not-found') return undefined;
      throw error;
    });
  }

  #undecided({ command, onError }: ScriptOptions, error: unknown): void {
    this.host.log.warn({ hook: command, err: error, allowed: onError === 'allow' }, 'A hook could not decide');
    if (onError === 'allow') return;
    const why = error instanceof Late ? 'did not answer in time' : 'could not be run';
    throw new HubError('unavailable', `Refused: the check ${why}`, { cause: error });
  }
}

/** The answer of a check did not come in time. */
class Late extends Error {
  override readonly message = 'no answer in time';
}

/** What kept a run from being a success, in one line; undefined when nothing did. */
function endOf(result: HookResult, timeoutMs: number, signal: AbortSignal): string | undefined {
  if (result.timedOut) return `took longer than ${timeoutMs / 1000} s and was ended`;
  if (result.flooded) return 'wrote more than 16 MiB and was ended';
  if (result.exitCode === 0) return undefined;
  if (signal.aborted) return 'was ended before it was done';
  return result.exitCode === undefined ? `ended by ${result.signal}` : `exit ${result.exitCode}`;
}

/** Rejects at the limit or when `signal` aborts, without waiting for the process to be gone. */
async function within<T>(limitMs: number, signal: AbortSignal, work: (limited: AbortSignal) => Promise<T>): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new Late()), limitMs);
  const limited = AbortSignal.any([limit.signal, signal]);
  let end = (): void => {};
  const ended = new Promise<never>((_, reject) => {
    end = () => reject(limited.reason);
    limited.addEventListener('abort', end, { once: true });
  });
  try {
    return await Promise.race([work(limited), ended]);
  } finally {
    clearTimeout(timer);
    // Node keeps a combined signal for as long as somebody listens to it.
    limited.removeEventListener('abort', end);
  }
}

/** The `deny` of a JSON object that is all of stdout or its last line, or else its first line; made safe to show. */
function reasonOf(stdout: string): string {
  const lines = stdout.trim().split('\n');
  const reason = denyOf(stdout) ?? denyOf(lines.at(-1)!) ?? lines[0]!;
  return printable(reason.trim()).slice(0, MAX_REASON_CHARACTERS) || 'refused by a rule';
}

function denyOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { deny } = value as { readonly deny?: unknown };
    return typeof deny === 'string' ? deny : '';
  } catch {
    return undefined;
  }
}

function isInside(file: string): boolean {
  return (
    file !== '' &&
    !file.includes('\0') &&
    !file.includes('\\') &&
    file.split('/').every(part => part !== '' && part !== '.' && part !== '..')
  );
}
