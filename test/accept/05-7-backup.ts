import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { copyFile, cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '../support/children.js';
import type { HubProcess } from '../support/hub-process.js';
import { FXP, RawSftp, string } from '../support/raw-sftp.js';
import { type Service, startMariadb, startPostgres } from '../support/services.js';
import { logIn, OWNER_PASSWORD, startWebProcess } from '../support/web-process.js';
import type { ApiClient, Json } from '../web/support.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'correct-horse';
const CLIENTS = 4;
/** What an admin sees; each list is read whole. */
const LISTS = ['/users', '/admins', '/storages', '/webhooks', '/address-rules', '/api-keys', '/bans'];

/** What only grows. */
const RECORDS = ['/events', '/deliveries'];

/** Records by their ids, by list. */
type Records = Map<string, ReadonlyMap<string, string>>;

/** What the hub of which a backup was made had: all the time, before the backup, and in the end. */
interface Known {
  readonly steady: Readonly<Record<string, string>>;
  readonly before: Records;
  readonly events: ReadonlyMap<string, string>;
}

const script: AcceptScript = {
  id: '05.7',
  title: 'a backup under load, restored on another database: records and files are the same',
  async run(report, scale) {
    const dataDirectory = await temporaryFolder('data');
    const { hub, base } = await startWebProcess({ dataDirectory });
    const ada = await logIn(base, 'admin', 'ada', OWNER_PASSWORD);
    await report.check('users, storages, webhooks, rules and keys are made', () => populate(ada, scale === 'full' ? 2_000 : 60));
    const steady = await dump(ada);
    const load = new Load(hub, base);
    await load.start();
    const file = join(dataDirectory, 'live.gz');
    const before: Records = new Map();
    await report.check('a backup while clients upload and admins make users: nobody waits or fails', async () => {
      await sleep(2_000);
      for (const list of RECORDS) before.set(list, await recordsOf(ada, list));
      const [uploaded, made] = [load.uploads, load.users];
      const { rows, durationMs } = await hub.json<{ rows: number; durationMs: number }>(['backup', file]);
      await sleep(1_000);
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.ok(load.uploads > uploaded && load.users > made);
      return `${rows} records in ${durationMs} ms; ${load.uploads} uploads and ${load.users} users meanwhile, 0 failures`;
    });
    const events = await recordsOf(ada, '/events');
    await hub.stop();

    const targets: readonly (readonly [name: string, start: (() => Promise<Service>) | undefined])[] = [
      ['SQLite', undefined],
      ['MariaDB', startMariadb],
      ['PostgreSQL', startPostgres],
    ];
    for (const [name, start] of targets) {
      await report.check(`restored on ${name}: what admins see is the same, and of the load a whole beginning`, async () => {
        const service = await start?.();
        const env = service ? { ENTREPOT_DATABASE__URL: service.url } : {};
        try {
          return await compare(dataDirectory, file, env, { steady, before, events }, load);
        } finally {
          await service?.stop();
        }
      });
    }
    await report.check('a cut backup is refused', async () => {
      const outcome = await hub.cli(['restore', join(dataDirectory, 'secret.key'), '--replace']);
      assert.equal(outcome.code, 1, outcome.output);
      assert.match(outcome.output, /is damaged/);
    });
  },
};

export default script;

/** Restores into a data directory of its own, with a copy of the files, and looks at it through the API. */
async function compare(
  from: string,
  file: string,
  env: Readonly<Record<string, string>>,
  { steady, before, events }: Known,
  load: Load,
): Promise<string> {
  const dataDirectory = await temporaryFolder('restored');
  await mkdir(dataDirectory, { recursive: true });
  await copyFile(join(from, 'secret.key'), join(dataDirectory, 'secret.key'));
  await cp(join(from, 'files'), join(dataDirectory, 'files'), { recursive: true });
  const { entrepot } = await import('../support/hub-process.js');
  for (const args of [
    ['restore', file],
    ['storage', 'set', 'data', '--option', `root=${join(dataDirectory, 'files')}`],
  ]) {
    const { code, output } = await entrepot([...args, '--data-dir', dataDirectory], { env });
    assert.equal(code, 0, output);
  }
  const { hub, base } = await startWebProcess({ dataDirectory, env });
  try {
    const ada = await logIn(base, 'admin', 'ada', OWNER_PASSWORD);
    const now = await dump(ada);
    for (const list of LISTS) assert.equal(withoutLoad(now[list]!), withoutLoad(steady[list]!), list);
    // Users were made one after the other: those of one moment are the first ones, none missing between.
    const made = new Set((JSON.parse(now['/users']!) as { username: string }[]).map(({ username }) => username));
    const count = [...made].filter(username => username.startsWith('load-')).length;
    for (let n = 0; n < count; n++) assert.ok(made.has(`load-${n}`), `load-${n}`);
    assert.ok(count > 0 && count <= load.users);
    const restored = await recordsOf(ada, '/events');
    for (const [id, event] of restored) if (events.has(id)) assert.equal(event, events.get(id));
    for (const [id, event] of before.get('/events')!) assert.equal(restored.get(id), event, 'an event of before the backup');
    const deliveries = await recordsOf(ada, '/deliveries');
    const sent = [...before.get('/deliveries')!.keys()];
    assert.deepEqual(
      sent.filter(id => !deliveries.has(id)),
      [],
    );
    const known = before.get('/events')!.size;
    assert.ok(known > 20 && sent.length > 3, `${known} events, ${sent.length} deliveries`);
    const files = await filesOf(base, load);
    return `${known} events, ${sent.length} deliveries, ${count} users of the load, ${files} files: no difference`;
  } finally {
    await hub.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

/** All lists as text, without what changes by itself. */
async function dump(admin: ApiClient): Promise<Readonly<Record<string, string>>> {
  const lists: Record<string, string> = {};
  for (const list of LISTS) {
    const items: Json[] = [];
    for (let offset = 0; ; offset += 100) {
      const { status, body } = await admin
        .get(`${list}?limit=100&offset=${offset}`)
        .then(answer => (answer.status === 400 ? admin.get(list) : answer));
      assert.equal(status, 200, `${list}: ${JSON.stringify(body)}`);
      const page = (body.items ?? body) as unknown as Json[];
      items.push(...page);
      if (body.items === undefined || page.length < 100 || items.length >= Number(body.total ?? 0)) break;
    }
    lists[list] = JSON.stringify(items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)));
  }
  return lists;
}

/** Nothing of the users that the load made; logins and deliveries go on by themselves, and roots are where the files were copied to. */
function withoutLoad(list: string): string {
  const items = (JSON.parse(list) as Record<string, unknown>[]).filter(({ username }) => !String(username).startsWith('load-'));
  for (const item of items) {
    for (const name of ['lastLoginAt', 'lastUsedAt', 'deliveries', 'lastDelivery', 'sessions', 'usage']) delete item[name];
    // Said anew after the restore.
    if (item.name === 'data' && 'options' in item) for (const name of ['options', 'version']) delete item[name];
  }
  return JSON.stringify(items, undefined, 1);
}

/** Every record of a list that only grows, as text, by its id. */
async function recordsOf(admin: ApiClient, list: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (let cursor = ''; ; ) {
    const { status, body } = await admin.get(`${list}?limit=100${cursor}`);
    assert.equal(status, 200, JSON.stringify(body));
    for (const record of body.items as unknown as Json[]) found.set(String(record.id), JSON.stringify(record));
    if (body.next === undefined || body.next === null) return found;
    cursor = `&cursor=${String(body.next)}`;
  }
}

/** Reads every file that the load has put, through the restored hub; gives how many. */
async function filesOf(base: string, load: Load): Promise<number> {
  const client = await logIn(base, 'user', 'user-0', PASSWORD);
  let count = 0;
  for (const [path, digest] of load.files) {
    if (!path.startsWith('/user-0/')) continue;
    const answer = await client.raw('GET', `/files/content?path=${encodeURIComponent(path.slice('/user-0'.length))}`);
    assert.equal(answer.status, 200, path);
    assert.equal(sha256(Buffer.from(await answer.arrayBuffer())), digest, path);
    count++;
  }
  assert.ok(count > 0);
  return count;
}

async function populate(admin: ApiClient, users: number): Promise<string> {
  const make = async (path: string, body: unknown) => {
    const { status, body: answer } = await admin.post(path, body);
    assert.ok(status === 201 || status === 200, `${path}: ${JSON.stringify(answer)}`);
  };
  for (let n = 0; n < users; n++) {
    const odd = ['ä', '日本', '🙂', "o'neil", 'tab\tand "quotes"', 'trailing  '][n % 6]!;
    await make('/users', {
      username: `user-${n}`,
      password: PASSWORD,
      description: `${odd} ${n}`,
      ...(n % 3 === 0 && { maxSessions: n + 10 }),
    });
  }
  await make('/storages', { name: 'archive', kind: 'memory', options: {} });
  for (let n = 0; n < 5; n++)
    await make('/webhooks', { url: `http://127.0.0.1:9/hook-${n}`, events: [n === 0 ? 'upload.completed' : 'file.deleted'] });
  await make('/address-rules', { range: '192.0.2.0/24', action: 'deny', comment: 'ünïcode' });
  return `${users} users`;
}

/** Clients that upload one file after the other, and an admin who makes one user after the other. */
class Load {
  readonly failures: string[] = [];
  readonly files = new Map<string, string>();
  users = 0;
  #stopping = false;
  #running: Promise<void>[] = [];

  constructor(
    private readonly hub: HubProcess,
    private readonly base: string,
  ) {}

  get uploads(): number {
    return this.files.size;
  }

  async start(): Promise<void> {
    const ada = await logIn(this.base, 'admin', 'ada', OWNER_PASSWORD);
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, (_, n) => RawSftp.connect({ port: this.hub.port, user: `user-${n}`, password: PASSWORD })),
    );
    this.#running = [...clients.map((client, n) => this.#guarded(() => this.#upload(client, n))), this.#guarded(() => this.#make(ada))];
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => this.failures.push(String(error)));
  }

  async #upload(client: RawSftp, user: number): Promise<void> {
    await client.request(FXP.MKDIR, string('/in'), Buffer.alloc(4));
    for (let n = 0; !this.#stopping; n++) {
      const content = randomBytes(2_000);
      await client.put(`/in/${n}`, content);
      this.files.set(`/user-${user}/in/${n}`, sha256(content));
      await sleep(10);
    }
    client.end();
  }

  async #make(ada: ApiClient): Promise<void> {
    while (!this.#stopping) {
      const { status, body } = await ada.post('/users', { username: `load-${this.users}`, password: PASSWORD });
      if (status !== 201) throw new Error(JSON.stringify(body));
      this.users++;
    }
  }
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
