import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type GuardEnvelope, HubError, type HubEvent } from '#core/api.js';
import { type ProcessResult, runProcess } from './process-group.js';
import { Slots } from './slots.js';
import { isModule, reasonNotToRun } from './trust.js';

/** What a hook is told. */
export interface HookCall {
  /** File of the hook, relative to the hooks folder. */
  readonly command: string;
  /** Written to its standard input as JSON. */
  readonly event: HubEvent | GuardEnvelope;
  readonly attempt: number;
  /** Where the file that it is about lies on this machine, when it does. */
  readonly localPath: string | undefined;
  readonly timeoutMs: number;
}

/** How a hook ended. */
export interface HookResult extends ProcessResult {
  /** Whether it took longer than its limit and was ended. */
  readonly timedOut: boolean;
}

/** How the runner is set up. */
export interface HookRunnerOptions {
  /** Absolute path of the hooks folder: the working directory of each hook. */
  readonly folder: string;
  /** Variables that each hook gets beside those of its call. */
  readonly environment: Readonly<Record<string, string>>;
  /** Hooks for events that run at a time, and as many checks beside them. */
  readonly concurrency: number;
  /** False keeps everything from being started. */
  readonly enabled: boolean;
}

const MODULE_RUNNER = fileURLToPath(new URL('./module-runner.js', import.meta.url));
const MODULE_FLAGS = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'];
// The system refuses to start a process with a longer variable (128 KiB on Linux).
const MAX_VARIABLE_LENGTH = 32 * 1024;

/** Runs hooks: executables as they are, JavaScript files by Node, each in a process group of its own. */
export class HookRunner {
  readonly #slots: Slots;
  /** Checks have slots of their own: a client waits for them, and hooks for events may take long. */
  readonly #guardSlots: Slots;

  constructor(private readonly options: HookRunnerOptions) {
    this.#slots = new Slots(options.concurrency);
    this.#guardSlots = new Slots(options.concurrency);
  }

  /**
   * Waits for a slot, looks at owner and mode of the file once more, and runs it: the event as JSON on standard input,
   * ENTREPOT_EVENT_ID, _EVENT_TYPE, _USER, _PATH, _LOCAL_PATH and _ATTEMPT beside the variables that are passed on, no
   * shell. After `timeoutMs` from its start, or when `signal` aborts, its group is ended. Resolves whatever the exit
   * code. Throws the reason of `signal` when it aborts before the start, HubError 'permission-denied' for a file that
   * must not be run, and 'unavailable' for one that cannot be started.
   */
  async run(call: HookCall, signal: AbortSignal): Promise<HookResult> {
    const { folder, enabled } = this.options;
    if (!enabled) throw new HubError('unavailable', 'Hooks are switched off by extensions.script.enabled');
    const slots = call.event.type.startsWith('before.') ? this.#guardSlots : this.#slots;
    const giveBack = await slots.take(signal);
    try {
      const reason = await reasonNotToRun(folder, call.command);
      if (reason) throw new HubError('permission-denied', `The hook ${call.command} ${reason}`);
      signal.throwIfAborted();
      return await this.#runWithin(call, signal);
    } finally {
      giveBack();
    }
  }

  async #runWithin(call: HookCall, signal: AbortSignal): Promise<HookResult> {
    const { folder, environment } = this.options;
    const path = join(folder, call.command);
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), call.timeoutMs);
    try {
      const result = await runProcess(
        {
          ...(isModule(path) ? { file: process.execPath, args: [...MODULE_FLAGS, MODULE_RUNNER, path] } : { file: path, args: [] }),
          directory: folder,
          environment: { ...environment, ...variables(call) },
          input: JSON.stringify(call.event),
        },
        AbortSignal.any([limit.signal, signal]),
      );
      return { ...result, timedOut: limit.signal.aborted };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new HubError('unavailable', `The hook ${call.command} cannot be started (${code ?? 'unknown error'})`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

function variables({ event, attempt, localPath }: HookCall): Record<string, string> {
  const data = event.data as { readonly user?: unknown; readonly path?: unknown; readonly session?: { readonly user?: unknown } };
  const all: Readonly<Record<string, unknown>> = {
    ENTREPOT_EVENT_ID: event.id,
    ENTREPOT_EVENT_TYPE: event.type,
    ENTREPOT_USER: data.session?.user ?? data.user,
    ENTREPOT_PATH: data.path,
    ENTREPOT_LOCAL_PATH: localPath,
    ENTREPOT_ATTEMPT: String(attempt),
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => isVariable(entry[1])));
}

function isVariable(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_VARIABLE_LENGTH && !value.includes('\0');
}
