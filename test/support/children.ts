import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const living = new Set<ChildProcess>();
const folders = new Set<string>();
const lastly: (() => void)[] = [];

process.on('exit', () => {
  for (const child of living) endNow(child);
  for (const step of lastly.reverse()) attempt(step);
  for (const folder of folders) attempt(() => rmSync(folder, { recursive: true, force: true }));
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));

/** Runs `step` when this process exits, after its children have ended: for what must not stay behind, such as a mount. */
export function atExit(step: () => void): void {
  lastly.push(step);
}

/** Starts a program that ends with this process at the latest, by its id, its process group included when `detached` made one. */
export function start(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(command, [...args], options);
  living.add(child);
  child.once('close', () => living.delete(child));
  child.once('error', () => living.delete(child));
  return child;
}

/** What a program left when it ended. `code` is -1 when a signal ended it, or the time limit did. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both streams, one after the other: for messages. */
  readonly output: string;
}

/** How a program is run to its end. */
export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** After this long the program is ended; two minutes unless told. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end. Never throws for what the program did; throws when it cannot be started. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = start(command, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: ['pipe', 'pipe', 'pipe'] });
  const timer = setTimeout(() => endNow(child), options.timeoutMs ?? 120_000);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', chunk => stdout.push(chunk));
  child.stderr?.on('data', chunk => stderr.push(chunk));
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input ?? '');
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', status => resolve(status ?? -1));
    });
    const [out, err] = [Buffer.concat(stdout).toString(), Buffer.concat(stderr).toString()];
    return { code, stdout: out, stderr: err, output: `${out}${err}`.trim() };
  } finally {
    clearTimeout(timer);
  }
}

/** Ends a child by its id and waits until it is gone: politely first, then without asking after `graceMs`. */
export async function end(child: ChildProcess, graceMs = 10_000): Promise<number> {
  if (hasEnded(child)) return child.exitCode ?? -1;
  const gone = new Promise<number>(resolve => child.once('exit', code => resolve(code ?? -1)));
  child.kill('SIGTERM');
  const timer = setTimeout(() => endNow(child), graceMs);
  try {
    return await gone;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a process is gone. */
export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Ends a child at once (SIGKILL), its process group included when it leads one. */
export function endNow(child: ChildProcess): void {
  if (child.pid === undefined || hasEnded(child)) return;
  child.kill('SIGKILL');
}

/** Makes an empty folder that is removed when this process exits. `parent` is the system's folder for such unless told. */
export async function temporaryFolder(name: string, parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, `entrepot-${name}-`));
  folders.add(folder);
  return folder;
}

/** Asks `condition` again until it gives something other than undefined or false. Throws with `what` after `limitMs`. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 20_000,
): Promise<T> {
  const last = Date.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > last) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await sleep(50);
  }
}

function attempt(step: () => void): void {
  try {
    step();
  } catch {}
}
