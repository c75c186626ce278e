import type { Stats } from 'node:fs';
import { access, constants, lstat, realpath, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

const WRITABLE_BY_OTHERS = 0o022;

/** Whether a file is run by Node, and needs no execute permission. */
export function isModule(file: string): boolean {
  return /\.m?js$/.test(file);
}

/**
 * Why the file or directory with these `stats` cannot be trusted with the rights of the hub, which runs as user `uid`:
 * somebody else could have written it. Undefined when it can.
 */
export function distrust(stats: Pick<Stats, 'uid' | 'mode'>, uid: number | undefined): string | undefined {
  // Without user ids (Windows) neither owner nor mode says anything.
  if (uid === undefined) return undefined;
  if (stats.uid !== uid && stats.uid !== 0) return `belongs to user ${stats.uid}, neither to the user of the hub (${uid}) nor to root`;
  if (stats.mode & WRITABLE_BY_OTHERS)
    return `is writable by others (mode ${(stats.mode & 0o777).toString(8).padStart(4, '0')}); chmod go-w it`;
  return undefined;
}

/**
 * Why `file` in the hooks folder must not be run, as the end of a sentence; undefined when it may. Looks at the file, at
 * each directory between it and the folder, and at the folder itself; follows links and refuses those that lead out.
 */
export async function reasonNotToRun(folder: string, file: string): Promise<string | undefined> {
  const uid = process.geteuid?.();
  const path = join(folder, file);
  if (/\.(?:bat|cmd)$/i.test(file)) return 'is a batch file, which cannot be started safely';
  for (let parent = dirname(file); ; parent = dirname(parent)) {
    const stats = await stat(join(folder, parent)).catch(() => undefined);
    const problem = stats && distrust(stats, uid);
    if (problem) return `is in a folder that ${problem}`;
    if (parent === '.') break;
  }
  const found = await realpath(path).catch(() => undefined);
  if (found === undefined) return (await lstat(path).catch(() => undefined)) ? 'is a link to nothing' : 'is not there';
  const inside = relative(await realpath(folder), found);
  if (inside === '..' || inside.startsWith(`..${sep}`)) return 'is a link that leads out of the hooks folder';
  const stats = await stat(found);
  if (!stats.isFile()) return 'is not a file';
  const problem = distrust(stats, uid) ?? (inside === file ? undefined : await parentsDistrust(folder, inside, uid));
  if (problem || isModule(file)) return problem;
  const executable = await access(found, constants.X_OK).then(
    () => true,
    () => false,
  );
  return executable ? undefined : 'is not executable; chmod +x it';
}

async function parentsDistrust(folder: string, inside: string, uid: number | undefined): Promise<string | undefined> {
  for (let parent = dirname(inside); parent !== '.'; parent = dirname(parent)) {
    const problem = distrust(await stat(join(folder, parent)), uid);
    if (problem) return `is a link into a folder that ${problem}`;
  }
  return undefined;
}
