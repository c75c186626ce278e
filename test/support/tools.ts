import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { ExecutionContext } from 'ava';

/** Thrown by a check that this machine cannot run: printed and left out locally, a failure when CI is set. */
export class Lacking extends Error {}

/** Where a program is, looked up in PATH and in the folders of system programs. Throws Lacking when it is nowhere. */
export function tool(name: string): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/lib/openssh'];
  for (const folder of folders) {
    const file = join(folder, name);
    if (isExecutable(file)) return file;
  }
  throw new Lacking(`${name} is not installed`);
}

/** Where a program is, for a test that is left out without it: with a note, and a failure when CI is set. Undefined when it is missing. */
export function programFor(t: ExecutionContext, name: string): string | undefined {
  try {
    return tool(name);
  } catch (error) {
    if (!(error instanceof Lacking) || process.env.CI) throw error;
    t.log(error.message);
    t.pass();
    return undefined;
  }
}

/** Throws Lacking unless sshfs can mount here. */
export function requireFuse(): void {
  tool('fusermount3');
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
  } catch {
    throw new Lacking('/dev/fuse cannot be used');
  }
}

/** Throws Lacking unless this process may mount file systems. */
export function requireRoot(what: string): void {
  if (process.getuid?.() !== 0) throw new Lacking(`${what} needs root`);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
