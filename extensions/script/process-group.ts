import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** What to start. There is no shell: `file` gets exactly `args`. */
export interface ProcessOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Written to standard input, which ends after it. A process that does not read it does no harm. */
  readonly input: string;
}

/** How a process ended. */
export interface ProcessResult {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  /** Name of the signal that ended it. */
  readonly signal: string | undefined;
  /** The first 64 KiB. */
  readonly stdout: string;
  readonly stderr: string;
  /** Whether it was ended because it wrote more than 16 MiB. */
  readonly flooded: boolean;
  readonly durationMs: number;
}

const KEPT_BYTES = 64 * 1024;
const FLOOD_BYTES = 16 * 1024 * 1024;
const TERM_GRACE_MS = 2_000;
const OUTPUT_GRACE_MS = 500;
const BUSY_TRIES = 10;
const BUSY_WAIT_MS = 50;

/**
 * Starts a process in a group of its own and resolves when it has ended, with whatever exit code. When `signal` aborts,
 * the group gets SIGTERM, and SIGKILL 2 s later. What the process leaves behind in its group is killed when it ends.
 * Throws the error of the system when it cannot be started.
 */
export async function runProcess(options: ProcessOptions, signal: AbortSignal): Promise<ProcessResult> {
  const startedAt = performance.now();
  const child = await start(options);
  const stdout = new Output(child.stdout, () => group.end('SIGKILL'));
  const stderr = new Output(child.stderr, () => group.end('SIGKILL'));
  const group = new ProcessGroup(child);
  const terminate = () => group.terminate();
  signal.addEventListener('abort', terminate, { once: true });
  if (signal.aborted) terminate();
  // A process that exits without reading its input makes the write fail; its exit code says what matters.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input);
  const [code, name] = await new Promise<[number | null, NodeJS.Signals | null]>(resolve => child.once('exit', (...end) => resolve(end)));
  signal.removeEventListener('abort', terminate);
  group.finish();
  await Promise.all([stdout.end(), stderr.end()]);
  child.stdin.destroy();
  return {
    exitCode: code ?? undefined,
    signal: name ?? undefined,
    stdout: stdout.text(),
    stderr: stderr.text(),
    flooded: stdout.flooded || stderr.flooded,
    durationMs: Math.round(performance.now() - startedAt),
  };
}

async function start(options: ProcessOptions): Promise<ChildProcessWithoutNullStreams> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options);
    } catch (error) {
      // Someone still has the file open for writing: most likely it is being saved right now.
      if ((error as NodeJS.ErrnoException).code !== 'ETXTBSY' || attempt === BUSY_TRIES) throw error;
      await new Promise(resolve => setTimeout(resolve, BUSY_WAIT_MS));
    }
  }
}

function startOnce({ file, args, directory, environment }: ProcessOptions): Promise<ChildProcessWithoutNullStreams> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: directory, env: environment, shell: false, detached: true, windowsHide: true, stdio: 'pipe' });
    child.once('error', reject);
    child.once('spawn', () => {
      child.off('error', reject);
      child.on('error', () => {});
      resolve(child);
    });
  });
}

class ProcessGroup {
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly child: ChildProcessWithoutNullStreams) {}

  terminate(): void {
    this.end('SIGTERM');
    this.#timer = setTimeout(() => this.end('SIGKILL'), TERM_GRACE_MS);
  }

  finish(): void {
    clearTimeout(this.#timer);
    this.end('SIGKILL');
  }

  end(name: NodeJS.Signals): void {
    try {
      process.kill(-this.child.pid!, name);
    } catch {
      // Nobody is left.
    }
  }
}

class Output {
  flooded = false;
  readonly #chunks: Buffer[] = [];
  readonly #closed: Promise<void>;
  #bytes = 0;

  constructor(
    private readonly stream: Readable,
    private readonly onFlood: () => void,
  ) {
    this.#closed = new Promise(resolve => stream.once('close', resolve));
    stream.on('data', chunk => this.#keep(chunk));
    stream.on('error', () => {});
  }

  /** Waits for the rest, but not for a process that left the group and kept the pipe. */
  async end(): Promise<void> {
    const timer = setTimeout(() => this.stream.destroy(), OUTPUT_GRACE_MS);
    await this.#closed;
    clearTimeout(timer);
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  #keep(chunk: Buffer): void {
    if (this.#bytes < KEPT_BYTES) this.#chunks.push(chunk.subarray(0, KEPT_BYTES - this.#bytes));
    this.#bytes += chunk.length;
    if (this.#bytes <= FLOOD_BYTES || this.flooded) return;
    this.flooded = true;
    this.onFlood();
  }
}
