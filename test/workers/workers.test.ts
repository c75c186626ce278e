import { readdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { countWorkers } from '#core/config/workers.js';
import { temporaryFolder, until } from '../support/children.js';
import { listEvents } from '../support/events.js';
import { freePort } from '../support/free-port.js';
import { FtpClient } from '../support/ftp-client.js';
import { HubProcess } from '../support/hub-process.js';
import { killPart, processesOf } from '../support/hub-processes.js';
import { FXP, OPEN, RawSftp, string, u64 } from '../support/raw-sftp.js';
import { logIn as logInByWeb } from '../support/web-process.js';

const PASSWORD = 'correct-horse';
const CREATE = OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE;

async function startWorkers(t: ExecutionContext, env: Readonly<Record<string, string>> = {}): Promise<HubProcess> {
  const hub = await HubProcess.start({ env: { ENTREPOT_WORKERS: '2', ENTREPOT_LOG__FORMAT: 'json', ...env } });
  t.teardown(() => hub.kill());
  await hub.addUser('alice', PASSWORD);
  return hub;
}

function logIn(hub: HubProcess): Promise<RawSftp> {
  return RawSftp.connect({ port: hub.port, user: 'alice', password: PASSWORD });
}

/** The end of what has begun to be uploaded is not sent. */
async function beginUpload(client: RawSftp, path: string): Promise<void> {
  const handle = await client.open(path, CREATE);
  await client.request(FXP.WRITE, string(handle), u64(0), string('x'.repeat(1_000)));
}

test.serial('auto is one process on up to two cores, or with a database in memory', t => {
  const [kept, inMemory] = [{ url: 'sqlite:hub.db' }, { url: 'sqlite::memory:' }];
  t.deepEqual(
    [1, 2, 3, 8].map(cores => countWorkers({ workers: 'auto', database: kept }, cores)),
    [0, 0, 2, 7],
  );
  t.is(countWorkers({ workers: 'auto', database: inMemory }, 8), 0);
  t.is(countWorkers({ workers: 3, database: kept }, 1), 3);
  t.is(countWorkers({ workers: 0, database: inMemory }, 8), 0);
  t.throws(() => countWorkers({ workers: 1, database: inMemory }), { code: 'invalid-request', message: /memory/ });
});

test.serial('limits hold over all processes, and sessions of each are seen and ended', async t => {
  const hub = await startWorkers(t, { ENTREPOT_LIMITS__SESSIONS_PER_USER: '5' });
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => logIn(hub)));
  const clients = tries.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
  t.is(clients.length, 5);
  const sessions = await hub.json<readonly { id: string }[]>(['sessions', 'list']);
  t.is(sessions.length, 5);
  for (const { id } of sessions) await hub.json(['sessions', 'end', id]);
  await until('all are dropped', () => clients.every(client => !client.alive));
  await until('their slots are free', async () => (await logIn(hub).catch(() => undefined)) !== undefined);
  t.is(await hub.stop(), 0);
});

test.serial('a connection that was on its way to a process that dies goes to another one', async t => {
  const hub = await startWorkers(t);
  const victim = (await processesOf(hub)).find(({ name }) => name === 'serve 0')!;
  process.kill(victim.pid, 'SIGSTOP');
  let greeted = 0;
  const sockets = Array.from({ length: 6 }, () => connect(hub.port, '127.0.0.1').once('data', () => greeted++));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  await until('all but one are greeted', () => greeted === 5);
  await killPart(hub, victim);
  await until('the last one is greeted', () => greeted === 6);
  t.is(await hub.stop(), 0);
});

test.serial(
  'the death of one process ends its own connections alone; what it left is resolved, and what others have under way is not',
  async t => {
    const hub = await startWorkers(t);
    const clients = await Promise.all(Array.from({ length: 8 }, () => logIn(hub)));
    for (const [i, client] of clients.entries()) await beginUpload(client, `/open-${i}`);
    const [victim] = (await processesOf(hub)).filter(({ name }) => name === 'serve 0');
    const next = await killPart(hub, victim!);
    t.not(next.pid, victim!.pid);
    await until('its clients notice', () => clients.some(client => !client.alive));
    const living = clients.flatMap((client, i) => (client.alive ? [{ client, i }] : []));
    t.true(living.length > 0 && living.length < clients.length, `${living.length} of ${clients.length} live`);
    // Longer than it takes until a dead process is noticed, and what it left swept.
    const staging = join(hub.files, '.entrepot');
    const temporaries = async () => (await readdir(hub.files, { recursive: true })).filter(name => /\.entrepot.*-/.test(name));
    await until('what it left is swept', async () => (await temporaries()).length === living.length, 10_000).catch(async error => {
      t.log(staging, await temporaries());
      throw error;
    });
    await sleep(4_000);
    for (const { client, i } of living) {
      await client.put(`/after-${i}`, Buffer.from('content'));
      t.is((await client.get(`/after-${i}`)).toString(), 'content');
    }
    t.is((await temporaries()).length, living.length);
    t.is((await listEvents(hub, 'upload.completed')).length, living.length);
    t.is(await hub.stop(), 0);
  },
);

test.serial('the death of the process for jobs interrupts nobody, and deliveries and commands go on', async t => {
  const hub = await startWorkers(t);
  const client = await logIn(hub);
  await beginUpload(client, '/open');
  const [jobs] = (await processesOf(hub)).filter(({ name }) => name === 'jobs');
  process.kill(jobs!.pid, 'SIGKILL');
  await client.put('/meanwhile', Buffer.from('content'));
  t.true(client.alive);
  t.is((await hub.json<readonly unknown[]>(['sessions', 'list'])).length, 1);
  await until('the event is there', async () => (await listEvents(hub, 'upload.completed')).length === 1);
  t.not((await processesOf(hub)).find(({ name }) => name === 'jobs')?.pid, jobs!.pid);
});

test.serial('no process outlives the primary', async t => {
  const hub = await startWorkers(t);
  const pids = (await processesOf(hub)).map(({ pid }) => pid);
  t.is(pids.length, 3);
  await hub.kill();
  const isThere = (pid: number) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  await until('they have ended', () => !pids.some(isThere), 3_000);
  const again = await HubProcess.start({ dataDirectory: hub.dataDirectory, env: { ENTREPOT_WORKERS: '1' } });
  t.teardown(() => again.kill());
  await (await logIn(again)).put('/after', Buffer.from('content'));
  t.is(await again.stop(), 0);
});

test.serial('five deaths within a minute end the hub with an error', async t => {
  const hub = await startWorkers(t);
  const ended = new Promise<number | null>(resolve => hub.child.once('exit', resolve));
  for (let i = 0; i < 4; i++) {
    const [victim] = (await processesOf(hub)).filter(({ name }) => name === 'serve 1');
    await killPart(hub, victim!);
  }
  t.true(hub.alive);
  const [last] = (await processesOf(hub)).filter(({ name }) => name === 'serve 0');
  process.kill(last!.pid, 'SIGKILL');
  t.is(await ended, 1);
  t.regex(hub.log, /entrepot: Processes of the hub ended 5 times within a minute, the last one 'serve 0': by SIGKILL\n/);
});

test.serial('what one process cannot start with is told once, and ends the hub', async t => {
  const env = { ENTREPOT_WORKERS: '2', ENTREPOT_PROTOCOLS__FTP__PASSIVE__PORTS: '50000-50015' };
  const error = await t.throwsAsync(HubProcess.start({ env }));
  t.regex(error!.message, /protocols\.ftp\.passive\.ports: each of 2 workers needs 10 ports/);
  t.is(error!.message.match(/needs 10 ports/g)?.length, 1);
});

test.serial('a browser may have one session, whichever processes answer it, and leaves all of them', async t => {
  const hub = await startWorkers(t, { ENTREPOT_LIMITS__SESSIONS_PER_USER: '1' });
  const browser = await logInByWeb(`http://127.0.0.1:${hub.portOf('web')}`, 'user', 'alice', PASSWORD);
  const sessions = () => hub.json<readonly unknown[]>(['sessions', 'list']);
  for (let i = 0; i < 6; i++) {
    const { status } = await fetch(`http://127.0.0.1:${hub.portOf('web')}/api/v1/files?path=/`, {
      headers: { cookie: browser.cookie!, connection: 'close' },
    });
    t.is(status, 200);
  }
  t.is((await sessions()).length, 2);
  await t.throwsAsync(logIn(hub));
  await browser.delete('/session');
  await until('all have ended', async () => (await sessions()).length === 0);
  t.true((await logIn(hub)).alive);
});

test.serial(
  'a new password ends what a browser has open in every process, and the next login takes the place of the one before',
  async t => {
    const hub = await startWorkers(t, { ENTREPOT_LIMITS__SESSIONS_PER_USER: '1' });
    const base = `http://127.0.0.1:${hub.portOf('web')}`;
    const browser = await logInByWeb(base, 'user', 'alice', PASSWORD);
    const sessions = () => hub.json<readonly unknown[]>(['sessions', 'list']);
    const openEverywhere = async () => {
      const headers = { cookie: browser.cookie!, connection: 'close' };
      for (let i = 0; i < 6; i++) t.is((await fetch(`${base}/api/v1/files?path=/`, { headers })).status, 200);
      t.is((await sessions()).length, 2);
    };
    for (let round = 0; round < 3; round++) {
      await openEverywhere();
      const again = await browser.raw('POST', '/session', {
        body: JSON.stringify({ scope: 'user', username: 'alice', password: PASSWORD }),
        headers: { 'content-type': 'application/json', connection: 'close' },
      });
      t.is(again.status, 200);
    }
    await openEverywhere();
    const streams = await Promise.all(
      [1, 2, 3, 4].map(() => fetch(`${base}/api/v1/live`, { headers: { cookie: browser.cookie!, connection: 'close' } })),
    );
    const began = Date.now();
    const ended = Promise.all(streams.map(({ body }) => body!.pipeTo(new WritableStream()).then(() => Date.now() - began)));
    t.true(streams.every(({ status }) => status === 200));
    await hub.json(['user', 'set', 'alice', '--password-file', await passwordFile('another-password')]);
    for (const ms of await ended) t.true(ms < 10_000, `${ms} ms`);
    await until('all have ended', async () => (await sessions()).length === 0);
    await logInByWeb(base, 'user', 'alice', 'another-password');
  },
);

test.serial('of uploads that replace the same version in several processes, one does', async t => {
  const hub = await startWorkers(t);
  const base = `http://127.0.0.1:${hub.portOf('web')}`;
  const browser = await logInByWeb(base, 'user', 'alice', PASSWORD);
  const headers = { 'content-type': 'application/octet-stream', connection: 'close' };
  const put = (body: string, etag?: string) =>
    browser.raw('PUT', '/files/content?path=/f', { body, headers: { ...headers, ...(etag !== undefined && { 'if-match': etag }) } });
  t.is((await put('first')).status, 201);
  for (let round = 0; round < 15; round++) {
    const etag = (await browser.raw('HEAD', '/files/content?path=/f')).headers.get('etag')!;
    const statuses = (await Promise.all([1, 2, 3, 4].map(one => put(`${round} ${one}`, etag)))).map(({ status }) => status);
    t.deepEqual([...statuses].sort(), [201, 412, 412, 412], String(round));
    const kept = await (await browser.raw('GET', '/files/content?path=/f')).text();
    t.is(kept, `${round} ${statuses.indexOf(201) + 1}`);
  }
  t.is(await hub.stop(), 0);
});

async function passwordFile(password: string): Promise<string> {
  const file = join(await temporaryFolder('password'), 'password');
  await writeFile(file, password);
  return file;
}

test.serial(
  'SIGTERM to all processes, as systemd and terminals send it, drains in order: not ready, then no new clients, then the transfers',
  async t => {
    const hub = await startWorkers(t, { ENTREPOT_SHUTDOWN__READINESS_DELAY: '8s' });
    const client = await logIn(hub);
    const handle = await client.open('/slow', CREATE);
    await client.request(FXP.WRITE, string(handle), u64(0), string('first '));
    for (const pid of [...(await processesOf(hub)).map(part => part.pid), hub.pid]) process.kill(pid, 'SIGTERM');
    await sleep(500);
    const ready = () => fetch(`http://127.0.0.1:${hub.portOf('web')}/readyz`, { headers: { connection: 'close' } });
    for (let i = 0; i < 4; i++) t.is((await ready()).status, 503);
    t.is((await hub.cli(['status'])).code, 1);
    t.true((await logIn(hub)).alive);
    await until('nobody is let in', () =>
      ready().then(
        () => false,
        () => true,
      ),
    );
    await client.request(FXP.WRITE, string(handle), u64(6), string('second'));
    t.is((await client.close(handle)).code, 0);
    await until('it ends', () => !hub.alive);
    t.is(hub.child.exitCode, 0);
    t.is(await readFile(join(hub.files, 'alice/slow'), 'utf8'), 'first second');
  },
);

test.serial('metrics are those of all processes, whichever answers, and do not fall when one ends', async t => {
  const hub = await startWorkers(t, { ENTREPOT_SHUTDOWN__GRACE: '2s' });
  const clients = [];
  for (let i = 0; i < 4; i++) clients.push(await logIn(hub));
  await clients[0]!.put('/a', Buffer.alloc(1_000));
  await clients[1]!.put('/b', Buffer.alloc(2_000));
  await until('the events are settled', async () => (await listEvents(hub, 'upload.completed')).length === 2);
  const metric = async (name: string) => {
    const response = await fetch(`http://127.0.0.1:${hub.portOf('web')}/metrics`, { headers: { connection: 'close' } });
    const text = await response.text();
    return Number(
      text
        .split('\n')
        .find(line => line.startsWith(`${name} `))
        ?.slice(name.length + 1),
    );
  };
  const [logins, bytes] = ['protocol="sftp",result="succeeded"', 'protocol="sftp",direction="upload",result="completed"'];
  for (let i = 0; i < 4; i++) {
    t.is(await metric(`entrepot_logins_total{${logins}}`), 4);
    t.is(await metric(`entrepot_transfer_bytes_total{${bytes}}`), 3_000);
    t.is(await metric('entrepot_sessions_active{protocol="sftp"}'), 4);
  }
  // Four processes of Node have more than this, and one has less.
  t.true((await metric('process_resident_memory_bytes')) > 200 * 1_048_576);
  for (const name of ['nodejs_eventloop_lag_p99_seconds', 'process_open_fds', 'process_max_fds'])
    for (const part of ['primary', 'jobs', 'serve 0', 'serve 1'])
      t.true((await metric(`${name}{process="${part}"}`)) >= 0, `${name} ${part}`);
  t.true((await metric('process_open_fds{process="serve 0"}')) > 10);
  for (const name of ['serve 0', 'jobs']) await killPart(hub, (await processesOf(hub)).find(part => part.name === name)!);
  t.is(await metric(`entrepot_logins_total{${logins}}`), 4);
  await hub.json(['reload']);
  t.is(await metric(`entrepot_logins_total{${logins}}`), 4);
  t.is(await metric(`entrepot_transfer_bytes_total{${bytes}}`), 3_000);
});

test.serial('each process offers data ports of its own', async t => {
  const first = 41_000 + Math.floor(Math.random() * 5_000);
  const hub = await startWorkers(t, {
    ENTREPOT_PROTOCOLS__FTP__TLS: 'optional',
    ENTREPOT_PROTOCOLS__FTP__PASSIVE__PORTS: `${first}-${first + 39}`,
  });
  const login = { port: hub.portOf('ftp'), user: 'alice', password: PASSWORD, tls: 'none' } as const;
  const clients = await Promise.all(Array.from({ length: 6 }, () => FtpClient.connect(login)));
  const halves = new Set<number>();
  for (const client of clients) {
    const ports = await Promise.all([client.passivePort()]);
    for (let i = 0; i < 6; i++) ports.push(await client.passivePort());
    const own = new Set(ports.map(port => Math.floor((port - first) / 20)));
    t.is(own.size, 1, ports.join());
    halves.add([...own][0]!);
  }
  t.deepEqual([...halves].sort(), [0, 1]);
});

test.serial('a TLS session of one process is resumed by the others, those that replace them included', async t => {
  const webPort = await freePort();
  const hub = await startWorkers(t, { ENTREPOT_PROTOCOLS__WEB__TLS: 'always', ENTREPOT_PROTOCOLS__WEB__PORT: String(webPort) });
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const first = await request(webPort, maxVersion);
    t.false(first.resumed);
    const others = [];
    for (let i = 0; i < 6; i++) others.push((await request(webPort, maxVersion, first.session)).resumed);
    t.deepEqual(
      others,
      Array.from({ length: 6 }, () => true),
      maxVersion,
    );
    if (maxVersion === 'TLSv1.2') continue;
    await hub.json(['reload']);
    t.true((await request(webPort, maxVersion, first.session)).resumed);
  }
});

test.serial('a reload replaces every process, with the configuration as it is then; what cannot start leaves all as it was', async t => {
  const configFile = join(await temporaryFolder('config'), 'config.yaml');
  const write = (limit: string) => writeFile(configFile, `workers: 2\nshutdown: { grace: 6s }\nlimits: { sessionsPerUser: ${limit} }\n`);
  await write('5');
  const hub = await HubProcess.start({ configFile, env: { ENTREPOT_LOG__FORMAT: 'json' } });
  t.teardown(() => hub.kill());
  await hub.addUser('alice', PASSWORD);
  const before = await processesOf(hub);

  await write('many');
  const refused = await hub.cli(['reload']);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /limits\.sessionsPerUser/);
  t.deepEqual(await processesOf(hub), before);

  await write('1');
  const client = await logIn(hub);
  const handle = await client.open('/open', CREATE);
  const reloading = hub.json<{ processes: readonly { pid: number }[] }>(['reload']);
  await until('another one serves', async () => (await processesOf(hub)).length > 3 && (await processesOf(hub)).length);
  // What is under way goes on in the process before, to its end.
  for (let i = 0; i < 10; i++) {
    await client.request(FXP.WRITE, string(handle), u64(i * 1_000), string('x'.repeat(1_000)));
    await sleep(100);
  }
  await client.close(handle);
  t.is((await client.get('/open')).length, 10_000);
  client.cut();
  const { processes } = await reloading;
  t.is(processes.length, 3);
  t.false(processes.some(({ pid }) => before.some(old => old.pid === pid)));
  const next = await logIn(hub);
  await t.throwsAsync(logIn(hub));
  t.true(next.alive);
  t.is(await hub.stop(), 0);
});

interface Answered {
  readonly resumed: boolean;
  readonly session: Buffer;
}

/** One request over a connection of its own. */
function request(port: number, maxVersion: 'TLSv1.2' | 'TLSv1.3', session?: Buffer): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, maxVersion, ...(session && { session }) });
    let ticket = session;
    socket.on('session', given => (ticket = given));
    socket.once('secureConnect', () => socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'));
    socket.once('error', reject);
    socket.on('data', () => undefined);
    const resumed = () => socket.isSessionReused();
    let isResumed = false;
    socket.once('data', () => (isResumed = resumed()));
    socket.once('close', () => (ticket ? resolve({ resumed: isResumed, session: ticket }) : reject(new Error('no session was given'))));
  });
}
