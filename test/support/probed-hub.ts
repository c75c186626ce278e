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
    const file = await probeFile();
    const more = leaky ? { MEMORY_PROBE_KEEP: 'yes' } : {};
    return new ProbedHub(await HubProcess.start({ env: { ...env, ...probeEnvironment(file), ...more } }), file);
  }

  memory(): Promise<CollectedMemory> {
    return collectedMemory(this.hub, this.file);
  }
}

/** A file for the probe of a hub to write to. */
export async function probeFile(): Promise<string> {
  return join(await temporaryFolder('probe'), 'memory.json');
}

/** What a hub is started with so that collectedMemory() can ask it. */
export function probeEnvironment(file: string): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--import=${PROBE}`, MEMORY_PROBE_FILE: file };
}

/** Collects the garbage of a hub that was started with probeEnvironment(file), and gives what is left. */
export async function collectedMemory(hub: HubProcess, file: string): Promise<CollectedMemory> {
  await rm(file, { force: true });
  hub.child.kill('SIGUSR2');
  const text = await until('the hub tells its memory', () => readFile(file, 'utf8').catch(() => undefined));
  const { rss, heapUsed, external } = JSON.parse(text) as { rss: number; heapUsed: number; external: number };
  return { usedMiB: (heapUsed + external) / 2 ** 20, residentMiB: rss / 2 ** 20 };
}
