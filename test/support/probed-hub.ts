import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder, until } from './children.js';
import { HubProcess } from './hub-process.js';

const PROBE = fileURLToPath(new URL('memory-probe.js', import.meta.url));

/** Memory of a process when its garbage is collected, in MiB. */
export interface CollectedMemory {
  /** What is in use: objects, and what they hold outside of the heap. */
  readonly usedMiB: number;
  /** What the process has of the machine: also what its allocators keep for later. */
  readonly residentMiB: number;
}

/** A hub whose memory can be looked at with the garbage collected. */
export class ProbedHub {
  private constructor(
    readonly hub: HubProcess,
    private readonly file: string,
  ) {}

  /** Starts it with these settings; with `leaky`, as a control, it keeps everything of every connection. */
  static async start(env: Readonly<Record<string, string>> = {}, leaky = false): Promise<ProbedHub> {
    const file = join(await temporaryFolder('probe'), 'memory.json');
    const hub = await HubProcess.start({
      env: {
        ...env,
        NODE_OPTIONS: `--import=${PROBE}`,
        MEMORY_PROBE_FILE: file,
        ...(leaky ? { MEMORY_PROBE_KEEP: 'yes' } : {}),
      },
    });
    return new ProbedHub(hub, file);
  }

  async memory(): Promise<CollectedMemory> {
    const { rss, heapUsed, external } = await this.#ask();
    return { usedMiB: (heapUsed + external) / 2 ** 20, residentMiB: rss / 2 ** 20 };
  }

  async #ask(): Promise<{ readonly rss: number; readonly heapUsed: number; readonly external: number }> {
    await rm(this.file, { force: true });
    this.hub.child.kill('SIGUSR2');
    const text = await until('the hub tells its memory', () => readFile(this.file, 'utf8').catch(() => undefined));
    return JSON.parse(text) as { rss: number; heapUsed: number; external: number };
  }
}
