import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { end, endNow, hasEnded, type Outcome, run, start, temporaryFolder, until } from './children.js';

/** The root of the repository; compiled tests run from dist/test/support. */
export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
/** The built program. */
export const MAIN = join(REPOSITORY, 'dist/core/main.js');

/** A variable with settings, as JSON, for every hub that this process starts: what it runs on, where a check is made on several grounds. */
export const HUB_SETTINGS = 'TEST_HUB_SETTINGS';

/** How a hub is started from outside. */
export interface HubProcessOptions {
  /** Made and removed when absent. */
  readonly dataDirectory?: string;
  /** Added to the environment: `ENTREPOT_…` settings. */
  readonly env?: Readonly<Record<string, string>>;
  /** The program's main.js, where it is not this tree's own. */
  readonly program?: string;
  /** A module that runs a hub for the data directory in TEST_DATA_DIRECTORY, in place of the built program. */
  readonly main?: string;
  readonly configFile?: string;
  /** Runs it as on a machine of this name: other hubs cannot see that its processes have ended. Where the system lets nobody do so, as on this one. */
  readonly hostname?: string;
  /** How long it may take until it listens. */
  readonly limitMs?: number;
}

interface RunFile {
  readonly pid: number;
  readonly listeners: readonly { readonly protocol: string; readonly host: string; readonly port: number; readonly tls: boolean }[];
}

/** What runs a command with a host name of its own (Linux, as root). */
async function asMachine(hostname: string | undefined): Promise<readonly string[]> {
  if (hostname === undefined) return [];
  const prefix = ['unshare', '--uts', 'sh', '-c', 'hostname "$0" && exec "$@"', hostname];
  const { code } = await run(prefix[0]!, [...prefix.slice(1), 'true']).catch(() => ({ code: -1 }));
  return code === 0 ? prefix : [];
}

/** The hub as a process of its own, as an operator starts it: on 127.0.0.1, on a free port, in a data directory of its own. */
export class HubProcess {
  private constructor(
    readonly dataDirectory: string,
    readonly child: ChildProcess,
    /** Where SFTP listens. */
    readonly port: number,
    /** From the start of the process to the run.json that says it listens. */
    readonly startedInMs: number,
    private readonly options: HubProcessOptions,
    private readonly printed: Buffer[],
    private readonly listeners: RunFile['listeners'],
  ) {}

  /** Starts the program and waits until it accepts clients. Throws with what it printed when it ends before. */
  static async start(options: HubProcessOptions = {}): Promise<HubProcess> {
    const dataDirectory = options.dataDirectory ?? (await temporaryFolder('data'));
    const began = performance.now();
    const [command, ...args] = [...(await asMachine(options.hostname)), process.execPath, ...hubArguments(options, dataDirectory)];
    const child = start(command!, args, {
      env: hubEnvironment({ ...options.env, ...(options.main ? { TEST_DATA_DIRECTORY: dataDirectory } : {}) }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => remember(printed, chunk));
    const running = await until(
      'the hub listens',
      async () => {
        if (hasEnded(child)) throw new Error(`the hub ended before it listened:\n${Buffer.concat(printed).toString()}`);
        const file = await readRunFile(dataDirectory);
        return file?.pid === child.pid && file;
      },
      options.limitMs ?? 30_000,
    );
    const port = running.listeners.find(listener => listener.protocol === 'sftp')?.port;
    if (port === undefined) throw new Error('run.json names no SFTP listener');
    return new HubProcess(dataDirectory, child, port, performance.now() - began, options, printed, running.listeners);
  }

  /** Where a protocol listens; with `tls`, where it speaks TLS from the first byte. Throws when it does not. */
  portOf(protocol: string, tls = false): number {
    const found = this.listeners.find(listener => listener.protocol === protocol && listener.tls === tls);
    if (found === undefined) throw new Error(`${protocol} does not listen`);
    return found.port;
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** What the hub printed so far; the last 2 MiB of it. */
  get log(): string {
    return Buffer.concat(this.printed).toString();
  }

  /** Where the files of storage `data` are. */
  get files(): string {
    return join(this.dataDirectory, 'files');
  }

  /** Where hooks are dropped. */
  get hooks(): string {
    return join(this.dataDirectory, 'hooks');
  }

  /** Runs a command of the program for this hub's data directory. */
  cli(args: readonly string[], input?: string): Promise<Outcome> {
    return entrepot([...args, '--data-dir', this.dataDirectory], {
      program: this.options.program,
      env: this.options.env,
      ...(input === undefined ? {} : { input }),
    });
  }

  /** Runs a command with `--json` and parses what it prints. Throws with what it printed when it fails. */
  async json<T>(args: readonly string[], input?: string): Promise<T> {
    const outcome = await this.cli([...args, '--json'], input);
    if (outcome.code !== 0) throw new Error(`entrepot ${args.join(' ')} exited with ${outcome.code}: ${outcome.output}`);
    return JSON.parse(outcome.stdout) as T;
  }

  /** Adds a user with a password, whose home is made where the default says. */
  async addUser(name: string, password: string, more: readonly string[] = []): Promise<void> {
    await this.json(['user', 'add', name, '--password-file', '-', ...more], `${password}\n`);
  }

  /** Asks the hub to stop and waits; gives its exit code. */
  stop(): Promise<number> {
    return end(this.child, 40_000);
  }

  /** kill -9, and waits until the process is gone. */
  async kill(): Promise<void> {
    const gone = new Promise<void>(resolve => this.child.once('exit', () => resolve()));
    if (!this.alive) return;
    endNow(this.child);
    await gone;
  }

  /** A number of kB from /proc/<pid>/status: 'VmHWM' is the most memory it ever had, 'VmRSS' what it has. */
  async memoryMiB(field: 'VmHWM' | 'VmRSS'): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024;
  }
}

/** Runs the built program with `args` to its end, outside of any hub's environment. */
export function entrepot(
  args: readonly string[],
  options: {
    readonly program?: string | undefined;
    readonly env?: Readonly<Record<string, string>> | undefined;
    readonly input?: string;
    readonly cwd?: string;
  } = {},
): Promise<Outcome> {
  return run(process.execPath, [options.program ?? MAIN, ...args], { ...options, env: hubEnvironment(options.env ?? {}) });
}

/** This process's environment without its settings for a hub, with those that keep one on 127.0.0.1 and a free port. */
export function hubEnvironment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return loopbackEnvironment({ ENTREPOT_OUTBOUND__ALLOW: '["127.0.0.0/8"]', ...more });
}

/** The same for a hub that may call no private address. */
export function loopbackEnvironment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('ENTREPOT_'));
  return {
    ...Object.fromEntries(inherited),
    ENTREPOT_PROTOCOLS__SFTP__HOST: '127.0.0.1',
    ENTREPOT_PROTOCOLS__SFTP__PORT: '0',
    ENTREPOT_PROTOCOLS__FTP__HOST: '127.0.0.1',
    ENTREPOT_PROTOCOLS__FTP__PORT: '0',
    ENTREPOT_PROTOCOLS__WEB__PORT: '0',
    ...(JSON.parse(process.env[HUB_SETTINGS] ?? '{}') as Record<string, string>),
    ...more,
  };
}

function hubArguments(options: HubProcessOptions, dataDirectory: string): string[] {
  if (options.main !== undefined) return [options.main];
  const config = options.configFile === undefined ? [] : ['--config', options.configFile];
  return [options.program ?? MAIN, 'start', '--data-dir', dataDirectory, ...config];
}

/** What run.json in the data directory says; undefined while there is none. */
export async function readRunFile(dataDirectory: string): Promise<RunFile | undefined> {
  try {
    return JSON.parse(await readFile(join(dataDirectory, 'run.json'), 'utf8')) as RunFile;
  } catch {
    return undefined;
  }
}

function remember(printed: Buffer[], chunk: Buffer): void {
  printed.push(chunk);
  while (printed.length > 1 && printed.reduce((sum, part) => sum + part.length, 0) > 2 ** 21) printed.shift();
}
