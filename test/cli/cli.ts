import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { loopbackEnvironment } from '../support/hub-process.js';

/** The built program. */
export const MAIN = fileURLToPath(new URL('../../core/main.js', import.meta.url));

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command is run with. */
export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** A folder of its own, removed at the end of the test. */
export async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-cli-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs `entrepot` to its end. */
export async function entrepot(words: readonly string[], { cwd, env = {}, input = '' }: RunOptions): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...words], { cwd, env: environment(env) });
  const output = collect(child);
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = await new Promise<number>(resolve => child.once('close', status => resolve(status ?? -1)));
  return { code, ...output() };
}

/** A hub that was started by the command line. */
export interface Started {
  readonly child: ChildProcess;
  readonly port: number;
  readonly output: () => Omit<Ended, 'code'>;
  /** Sends a signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a hub and waits until run.json says that it listens; it is ended with the test at the latest. */
export async function startHub(t: ExecutionContext, cwd: string, env: Readonly<Record<string, string>> = {}): Promise<Started> {
  const child = spawn(process.execPath, [MAIN, 'start'], { cwd, env: environment(env) });
  const output = collect(child);
  const ended = new Promise<number | null>(resolve => child.once('close', resolve));
  const end = (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal);
    return ended;
  };
  t.teardown(() => end('SIGKILL'));
  for (;;) {
    if (child.exitCode !== null) throw new Error(output().stderr);
    const file = await readFile(join(cwd, 'entrepot-data/run.json'), 'utf8').catch(() => undefined);
    const run = file === undefined ? undefined : (JSON.parse(file) as { pid: number; listeners: { port: number }[] });
    if (run && run.pid === child.pid) return { child, port: run.listeners[0]!.port, output, end };
    await sleep(50);
  }
}

function collect(child: ChildProcess): () => Omit<Ended, 'code'> {
  const texts = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (texts.stdout += chunk));
  child.stderr?.on('data', (chunk: Buffer) => (texts.stderr += chunk));
  return () => texts;
}

/** As on a command line that npm did not make, which hints would tell. */
function environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(loopbackEnvironment(more)).filter(([name]) => !name.startsWith('npm_')));
}
