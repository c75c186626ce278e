import { access, constants, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import semver from 'semver';
import { ControlClient, type RunFile, readRunFile } from '../control.js';
import { toHubError } from '../errors.js';
import { randomToken } from '../ids.js';
import { type Caller, withHub } from './connection.js';
import type { CliContext, GlobalOptions } from './context.js';
import { bytes } from './output.js';
import { readAll } from './shipped-types.js';

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

/** Looks at everything that can keep a hub from working, and changes nothing. */
export async function examine(context: CliContext, options: GlobalOptions): Promise<readonly Finding[]> {
  const directory = resolve(options.dataDir);
  const checks = [
    checkNode(),
    guarded('configuration', () => checkConfiguration(context, options)),
    guarded('data directory', () => checkDirectory(directory)),
    guarded('secret files', () => checkSecretFiles(directory)),
    guarded('disk', () => checkDisk(directory)),
    guarded('clock', () => checkClock(directory)),
    guarded('records', () => checkRecords(context, options)),
  ];
  return (await Promise.all(checks)).flat();
}

async function checkNode(): Promise<Finding> {
  const good = semver.satisfies(process.version, NODE_RANGE);
  return {
    check: 'node',
    result: good ? 'ok' : 'fail',
    detail: good ? process.version : `${process.version} is too old; ${NODE_RANGE} is needed`,
  };
}

async function checkConfiguration(context: CliContext, options: GlobalOptions): Promise<readonly Finding[]> {
  const { protocols } = await readAll(context, options);
  const run = await runningHub(options.dataDir);
  const ports = protocols.map(({ type, options: section }) => checkPort(type.name, section, run));
  const plain = protocols.flatMap(({ type, options: section }) => checkPlainText(type.name, section));
  return [
    { check: 'configuration', result: 'ok', detail: options.config ?? 'defaults and environment' },
    ...(run?.listeners ?? []).map(
      ({ protocol, host, port }): Finding => ({
        check: `port ${port}`,
        result: 'ok',
        detail: `the running hub (pid ${run?.pid}) listens on it for ${protocol} at ${host}`,
      }),
    ),
    ...(await Promise.all(ports)).flat(),
    ...plain,
  ];
}

/** Of servers that can do without TLS. */
function checkPlainText(protocol: string, section: unknown): readonly Finding[] {
  const { enabled, tls } = section as { readonly enabled?: unknown; readonly tls?: unknown };
  if (enabled === false || typeof tls !== 'string') return [];
  const check = `TLS of ${protocol}`;
  if (tls === 'required') return [{ check, result: 'ok', detail: 'nobody logs in without it' }];
  return [{ check, result: 'warn', detail: `protocols.${protocol}.tls is '${tls}': passwords and files may travel in plain text` }];
}

async function checkPort(protocol: string, section: unknown, run: RunFile | undefined): Promise<readonly Finding[]> {
  const { enabled, host, port } = section as { readonly enabled?: unknown; readonly host?: unknown; readonly port?: unknown };
  if (enabled === false || typeof port !== 'number' || port === 0) return [];
  const check = `port ${port}`;
  if (run?.listeners.some(listener => listener.port === port)) return [];
  const used = run?.listeners.filter(listener => listener.protocol === protocol).map(listener => listener.port) ?? [];
  if (used.length > 0)
    return [
      {
        check,
        result: 'warn',
        detail: `configured for ${protocol}, and the running hub uses ${used.join(', ')}: it was started with other settings than these`,
      },
    ];
  const failure = await tryToListen(port, typeof host === 'string' ? host : undefined);
  if (!failure) return [{ check, result: 'ok', detail: `free for ${protocol}` }];
  return [{ check, result: 'fail', detail: `${protocol} cannot listen on it: ${failure}` }];
}

/** What `run.json` says, unless the hub that wrote it is gone. */
async function runningHub(dataDirectory: string): Promise<RunFile | undefined> {
  const client = await ControlClient.connect(dataDirectory);
  client?.close();
  return client && readRunFile(dataDirectory);
}

function tryToListen(port: number, host: string | undefined): Promise<string | undefined> {
  return new Promise(done => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      done(error.code === 'EADDRINUSE' ? 'another program uses it' : (error.code ?? error.message)),
    );
    server.listen({ port, ...(host !== undefined && { host }) }, () => server.close(() => done(undefined)));
  });
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

/** What only a hub knows, running or opened for this. */
async function checkRecords(context: CliContext, options: GlobalOptions): Promise<readonly Finding[]> {
  if (!(await stat(options.dataDir).catch(() => undefined))) return [];
  return withHub(context, options, async hub => {
    const running: Finding = {
      check: 'hub',
      result: 'ok',
      detail: hub.live ? `runs, pid ${(await hub.call('hub.status', {})).pid}` : 'does not run; its database opens',
    };
    return [running, ...(await checkStorages(hub)), ...(await checkHooks(hub)), ...(await checkCertificates(hub))];
  });
}

async function checkStorages(hub: Caller): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { name } of await hub.call('storages.list', {})) {
    const { ok, message, durationMs } = await hub.call('storages.test', { name });
    findings.push({ check: `storage ${name}`, result: ok ? 'ok' : 'fail', detail: ok ? `${durationMs} ms` : message });
  }
  return findings;
}

async function checkHooks(hub: Caller): Promise<readonly Finding[]> {
  const rows = (await hub.call('reports.show', { name: 'hooks' }).catch(() => [])) as readonly {
    readonly file?: string;
    readonly reason?: string;
  }[];
  const rejected = rows.filter(({ reason }) => reason);
  if (rejected.length === 0) return [{ check: 'hooks', result: 'ok', detail: `${rows.length} in the folder` }];
  return rejected.map(({ file, reason }) => ({ check: `hook ${file}`, result: 'warn', detail: String(reason) }));
}

async function checkCertificates(hub: Caller): Promise<readonly Finding[]> {
  const rows = await hub.call('certificates.list', {});
  return rows.map(({ names, certificate, result, detail }) => ({ check: `certificate ${names[0] ?? certificate}`, result, detail }));
}

async function guarded(check: string, run: () => Promise<Finding | readonly Finding[]>): Promise<readonly Finding[]> {
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
