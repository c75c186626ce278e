import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { ControlClient, type RunFile, readRunFile } from '../control.js';
import { checkPlainText, examineMachine, type Finding, guarded } from '../operations/machine-checks.js';
import { checkRedis } from '../operations/redis-checks.js';
import { withHub } from './connection.js';
import type { CliContext, GlobalOptions } from './context.js';
import { readAll } from './shipped-types.js';

/** Looks at everything that can keep a hub from working, and changes nothing. */
export async function examine(context: CliContext, options: GlobalOptions): Promise<readonly Finding[]> {
  const checks = [
    examineMachine(resolve(options.dataDir)),
    guarded('configuration', () => checkConfiguration(context, options)),
    guarded('redis', async () => checkRedis((await readAll(context, options)).config)),
    guarded('records', () => checkRecords(context, options)),
  ];
  return (await Promise.all(checks)).flat();
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

/** What only a hub knows, running or opened for this. */
async function checkRecords(context: CliContext, options: GlobalOptions): Promise<readonly Finding[]> {
  if (!(await stat(options.dataDir).catch(() => undefined))) return [];
  return withHub(context, options, async hub => {
    const running: Finding = {
      check: 'hub',
      result: 'ok',
      detail: hub.live ? `runs, pid ${(await hub.call('hub.status', {})).pid}` : 'does not run; its database opens',
    };
    return [running, ...(await hub.call('doctor.run', { machine: false }))];
  });
}
