import type { Coordinator } from '../cluster/coordinator.js';
import { HubError } from '../errors.js';

/** A part of an extension whose last run failed. */
export interface PartFailure {
  readonly extension: string;
  /** As in the list of what it registered: 'task sweep', 'guard upload'. */
  readonly part: string;
  /** In ms since 1970. */
  readonly at: number;
  /** One line. */
  readonly message: string;
}

const MAX_MESSAGE_LENGTH = 500;
/** A part that fails all the time is told of that often at most. */
const TELL_AGAIN_MS = 10_000;

/**
 * What of the extensions failed when it ran last, in whichever process of the hub that was: processes tell each other. A run that goes
 * well takes the failure away. Nothing of it outlives the processes.
 */
export class ExtensionHealth {
  readonly #failed = new Map<string, PartFailure>();

  constructor(private readonly coordinator: Pick<Coordinator, 'broadcast' | 'listen'>) {
    coordinator.listen('extension.ran', ({ extension, part, at, message }) => {
      if (message === undefined) this.#failed.delete(keyOf(extension, part));
      else this.#failed.set(keyOf(extension, part), { extension, part, at, message });
    });
  }

  /** What failed of an extension, the latest first. */
  failuresOf(extension: string): readonly PartFailure[] {
    return [...this.#failed.values()].filter(failure => failure.extension === extension).sort((one, other) => other.at - one.at);
  }

  /** `run`, whose outcome is noted. A refusal, which a HubError with a code of its own says, is no failure. */
  watched<A extends readonly unknown[], R>(extension: string, part: string, run: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      try {
        const result = run(...args);
        if (!(result instanceof Promise)) this.#succeeded(extension, part);
        else
          result.then(
            () => this.#succeeded(extension, part),
            (error: unknown) => this.#ended(extension, part, error),
          );
        return result;
      } catch (error) {
        this.#ended(extension, part, error);
        throw error;
      }
    };
  }

  #ended(extension: string, part: string, error: unknown): void {
    if (error instanceof HubError && error.code !== 'internal' && error.code !== 'unavailable') this.#succeeded(extension, part);
    else this.#tell(extension, part, messageOf(error));
  }

  #succeeded(extension: string, part: string): void {
    if (!this.#failed.delete(keyOf(extension, part))) return;
    this.coordinator.broadcast('extension.ran', { extension, part, at: Date.now() });
  }

  #tell(extension: string, part: string, message: string): void {
    const at = Date.now();
    const known = this.#failed.get(keyOf(extension, part));
    if (known?.message === message && at - known.at < TELL_AGAIN_MS) return;
    this.#failed.set(keyOf(extension, part), { extension, part, at, message });
    this.coordinator.broadcast('extension.ran', { extension, part, at, message });
  }
}

function keyOf(extension: string, part: string): string {
  return `${extension}\n${part}`;
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.trim().split('\n', 1)[0]!.slice(0, MAX_MESSAGE_LENGTH) || 'failed';
}
