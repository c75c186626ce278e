import { access, constants, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import semver from 'semver';
import { toHubError } from '../errors.js';
import { randomToken } from '../ids.js';
import { bytes } from '../printable.js';

/** One thing that was checked. */
export interface Finding {
  readonly check: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly detail: string;
}

const NODE_RANGE = '>=20.19';
const LOW_SPACE_BYTES = 1024 ** 3;
const SLOW_SYNC_MS = 50;
const SYNC_TRIES = 5;
/** Any time before this one is a clock that was never set. */
const EARLIEST_TIME = Date.UTC(2026, 0, 1);
const FUTURE_SLACK_MS = 60_000;

/** Looks at Node.js, the data directory, its disk and the clock, and changes nothing. Never rejects. */
export async function examineMachine(directory: string): Promise<readonly Finding[]> {
  const checks = [
    guarded('node', checkNode),
    guarded('data directory', () => checkDirectory(directory)),
    guarded('secret files', () => checkSecretFiles(directory)),
    guarded('disk', () => checkDisk(directory)),
    guarded('clock', () => checkClock(directory)),
  ];
  return (await Promise.all(checks)).flat();
}

/** Of servers that can do without TLS: whether passwords may travel in plain text. */
export function checkPlainText(protocol: string, section: unknown): readonly Finding[] {
  const { enabled, tls } = section as { readonly enabled?: unknown; readonly tls?: unknown };
  if (enabled === false || typeof tls !== 'string') return [];
  const check = `TLS of ${protocol}`;
  if (tls === 'required') return [{ check, result: 'ok', detail: 'nobody logs in without it' }];
  if (tls === 'auto' || tls === 'always')
    return [
      { check, result: 'ok', detail: `protocols.${protocol}.tls is '${tls}': no plain text beyond this machine and trusted proxies` },
    ];
  return [{ check, result: 'warn', detail: `protocols.${protocol}.tls is '${tls}': passwords and files may travel in plain text` }];
}

/** What `run` found; what it throws is a finding that failed. */
export async function guarded(check: string, run: () => Promise<Finding | readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return [await run()].flat();
  } catch (error) {
    const failure = toHubError(error);
    const detail = failure.code === 'internal' && failure.cause instanceof Error ? failure.cause.message : failure.message;
    return detail.split('\n').map(line => ({ check, result: 'fail', detail: line }));
  }
}

function mode(bits: number): string {
  return (bits & 0o777).toString(8).padStart(3, '0');
}

async function checkNode(): Promise<Finding> {
  const good = semver.satisfies(process.version, NODE_RANGE);
  return {
    check: 'node',
    result: good ? 'ok' : 'fail',
    detail: good ? process.version : `${process.version} is too old; ${NODE_RANGE} is needed`,
  };
}

async function checkDirectory(directory: string): Promise<Finding> {
  const check = 'data directory';
  const info = await stat(directory).catch(() => undefined);
  if (!info) return { check, result: 'warn', detail: `${directory} is not there yet; \`entrepot start\` makes it` };
  if (!info.isDirectory()) return { check, result: 'fail', detail: `${directory} is not a directory` };
  await access(directory, constants.W_OK | constants.X_OK);
  const open = info.mode & 0o077;
  if (open)
    return {
      check,
      result: 'warn',
      detail: `others on this machine may look into ${directory} (mode ${mode(info.mode)}); chmod 700 keeps them out`,
    };
  return { check, result: 'ok', detail: `${directory} is writable, mode ${mode(info.mode)}` };
}

/** Host keys and the key of the secrets. */
async function checkSecretFiles(directory: string): Promise<readonly Finding[]> {
  const folders = [directory, join(directory, 'host-keys')];
  const entries = await Promise.all(folders.map(folder => readdir(folder, { withFileTypes: true }).catch(() => [])));
  const files = entries.flat().filter(entry => entry.isFile() && /(_key|^secret\.key)$/.test(entry.name));
  return Promise.all(
    files.map(async (entry): Promise<Finding> => {
      const file = join(entry.parentPath, entry.name);
      const { mode: bits } = await stat(file);
      const check = `key ${entry.name}`;
      return bits & 0o077
        ? { check, result: 'fail', detail: `others may read ${file} (mode ${mode(bits)}); chmod 600 keeps them out` }
        : { check, result: 'ok', detail: `mode ${mode(bits)}` };
    }),
  );
}

async function checkDisk(directory: string): Promise<readonly Finding[]> {
  const place = (await stat(directory).catch(() => undefined)) ? directory : '.';
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const medianMs = await syncTime(place);
  return [
    { check: 'disk space', result: free < LOW_SPACE_BYTES ? 'warn' : 'ok', detail: `${bytes(free)} free` },
    {
      check: 'disk sync',
      result: medianMs > SLOW_SYNC_MS ? 'warn' : 'ok',
      detail: `${medianMs.toFixed(1)} ms for 4 KiB${medianMs > SLOW_SYNC_MS ? '; every upload waits for it, `durability: process` does not' : ''}`,
    },
  ];
}

async function syncTime(directory: string): Promise<number> {
  const file = join(directory, `.doctor-${randomToken(6)}`);
  const handle = await open(file, 'wx', 0o600);
  try {
    const times: number[] = [];
    for (let tries = 0; tries < SYNC_TRIES; tries++) {
      const startedAt = performance.now();
      await handle.write(Buffer.alloc(4_096), 0, 4_096, tries * 4_096);
      await handle.sync();
      times.push(performance.now() - startedAt);
    }
    return times.sort((a, b) => a - b)[Math.floor(SYNC_TRIES / 2)]!;
  } finally {
    await handle.close();
    await rm(file, { force: true });
  }
}

async function checkClock(directory: string): Promise<Finding> {
  const check = 'clock';
  const now = Date.now();
  if (now < EARLIEST_TIME)
    return { check, result: 'fail', detail: `It says ${new Date(now).toISOString()}; events and signatures would carry that time` };
  const info = await stat(directory).catch(() => undefined);
  if (info && info.mtimeMs > now + FUTURE_SLACK_MS)
    return { check, result: 'warn', detail: `It went back: the data directory was changed at ${info.mtime.toISOString()}` };
  return { check, result: 'ok', detail: new Date(now).toISOString() };
}
