import type { ChildProcess } from 'node:child_process';
import { chown, mkdir, readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { end, hasEnded, run, start, temporaryFolder, until } from './children.js';
import { freePort } from './free-port.js';
import { Lacking, tool } from './tools.js';

const STARTING_MS = 60_000;

/** A server of a test's own on a free port of 127.0.0.1, which ends with this process at the latest. */
export interface Service {
  readonly port: number;
  /** How the hub is told of it. */
  readonly url: string;
  /** The id of its process, to stop, continue or kill it by. */
  readonly pid: number;
  /** Ends the process at once and keeps the records, where it keeps any. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same records. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Redis without persistence. Throws Lacking where it is not installed. */
export async function startRedis(...options: readonly string[]): Promise<Service> {
  const program = tool('redis-server');
  const port = await freePort();
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'];
  const begin = () => start(program, [...settings, ...options], { stdio: 'ignore' });
  return serve(port, `redis://127.0.0.1:${port}`, begin, () => greets(port, 'PING\r\n', /^\+PONG/));
}

/** MariaDB with an empty database `hub`. Throws Lacking where it is not installed. */
export async function startMariadb(...options: readonly string[]): Promise<Service> {
  const [program, install, client] = [tool('mariadbd'), tool('mariadb-install-db'), tool('mariadb')];
  const [folder, port] = [await temporaryFolder('mariadb'), await freePort()];
  const [data, socket] = [join(folder, 'data'), join(folder, 'socket')];
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  await succeed(install, ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db', ...user]);
  const settings = ['--no-defaults', `--datadir=${data}`, `--socket=${socket}`, `--port=${port}`, '--bind-address=127.0.0.1', ...user];
  const begin = () =>
    start(program, [...settings, '--innodb-buffer-pool-size=64M', '--skip-log-bin', '--max-connections=400', ...options], {
      stdio: 'ignore',
    });
  const service = await serve(port, `mysql://hub:hub@127.0.0.1:${port}/hub`, begin, () => greets(port, '', /mariadb|mysql/i));
  const statements =
    "CREATE DATABASE hub CHARACTER SET utf8mb4; CREATE USER hub@'127.0.0.1' IDENTIFIED BY 'hub'; GRANT ALL ON *.* TO hub@'127.0.0.1';";
  await succeed(client, ['--no-defaults', `--socket=${socket}`, '--user=root', '--execute', statements]);
  return service;
}

/** PostgreSQL with an empty database `hub`. Throws Lacking where it is not installed. It never runs as root: its own account runs it then. */
export async function startPostgres(): Promise<Service> {
  const programs = await postgresPrograms();
  const [folder, port] = [await temporaryFolder('postgres'), await freePort()];
  const data = join(folder, 'data');
  const as = process.getuid?.() === 0 ? await ownAccount(folder) : [];
  const call = (name: string, args: readonly string[]): [string, string[]] => {
    const [command, ...rest] = [...as, join(programs, name), ...args];
    return [command!, rest];
  };
  await succeed(...call('initdb', ['-D', data, '-U', 'hub', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync']));
  const settings = [
    '-D',
    data,
    '-p',
    String(port),
    '-h',
    '127.0.0.1',
    '-k',
    folder,
    '-c',
    'max_connections=400',
    '-c',
    'dynamic_shared_memory_type=mmap',
  ];
  const begin = () => start(...call('postgres', settings), { stdio: 'ignore' });
  const url = `postgres://hub@127.0.0.1:${port}/hub`;
  const ready = async () => (await run(...call('pg_isready', ['-h', '127.0.0.1', '-p', String(port)]))).code === 0;
  const service = await serve(port, url, begin, ready);
  await succeed(...call('createdb', ['-h', '127.0.0.1', '-p', String(port), '-U', 'hub', 'hub']));
  return service;
}

/** Stops every process of a server where it stands (SIGSTOP). Gives what lets them go on. */
export async function freeze({ pid }: Service): Promise<() => void> {
  // The parent first: whichever of its children ends from then on keeps its id.
  process.kill(pid, 'SIGSTOP');
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const children = list.trim().split(/\s+/).filter(Boolean).map(Number);
  for (const one of children) process.kill(one, 'SIGSTOP');
  return () => {
    for (const one of [...children, pid]) process.kill(one, 'SIGCONT');
  };
}

async function serve(port: number, url: string, begin: () => ChildProcess, ready: () => Promise<boolean>): Promise<Service> {
  let child = begin();
  const listening = async (): Promise<void> => {
    await until(`what serves ${url} is ready`, async () => child.exitCode !== null || (await ready()), STARTING_MS);
    if (child.exitCode !== null) throw new Error(`What was to serve ${url} ended with ${child.exitCode}`);
  };
  const kill = async (): Promise<void> => {
    const ended = new Promise(resolve => child.once('exit', resolve));
    if (hasEnded(child) || !child.kill('SIGKILL')) return;
    await ended;
  };
  await listening();
  return {
    port,
    url,
    get pid() {
      return child.pid!;
    },
    kill,
    restart: async () => {
      await kill();
      // PostgreSQL does not start while children of the one that was killed have yet to notice.
      await until(
        `${url} is served again`,
        () => {
          child = begin();
          return listening().then(
            () => true,
            () => false,
          );
        },
        STARTING_MS,
      );
    },
    stop: async () => {
      // PostgreSQL waits for its clients on SIGTERM.
      child.kill('SIGINT');
      await end(child);
    },
  };
}

async function postgresPrograms(): Promise<string> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => []);
  const latest = versions.sort((a, b) => Number(b) - Number(a))[0];
  if (latest === undefined) throw new Lacking('postgresql');
  return join('/usr/lib/postgresql', latest, 'bin');
}

/** What runs a program as `postgres`, to whom `folder` is given. */
async function ownAccount(folder: string): Promise<readonly string[]> {
  const id = async (option: string) => Number((await run('id', [option, 'postgres'])).stdout);
  const [uid, gid] = [await id('-u'), await id('-g')];
  await mkdir(folder, { recursive: true });
  await chown(folder, uid, gid);
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
}

async function succeed(command: string, args: readonly string[]): Promise<void> {
  const { code, output } = await run(command, args);
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${output}`);
}

function greets(port: number, words: string, greeting: RegExp): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port });
    const decide = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', data => decide(greeting.test(data.toString('latin1')))).once('error', () => decide(false));
    socket.setTimeout(1_000, () => decide(false));
    if (words) socket.write(words);
  });
}
