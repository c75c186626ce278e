import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder, until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { addWebhook } from '../support/events.js';
import { HubProcess, type HubProcessOptions } from '../support/hub-process.js';
import { FXP, OPEN, RawSftp, string, u64 } from '../support/raw-sftp.js';
import { Receiver } from '../support/receiver.js';
import { type Service, startMariadb, startRedis } from '../support/services.js';
import { contentOf, Ledger } from './kill-ledger.js';
import type { AcceptScript, Scale } from './script.js';

const TYPE = 'upload.completed';
const PASSWORD = 'a long password';
const LIMIT = 5;
const TAKE_OVER_MS = 30_000;
const KEY = Buffer.alloc(32, 5).toString('base64');

const script: AcceptScript = {
  id: '05.4',
  title: 'two nodes, one database, one of them killed',
  async run(report, scale) {
    let cluster: Cluster | undefined;
    await report.check('two nodes on one MariaDB and one Redis', async () => {
      cluster = await Cluster.start();
    });
    if (!cluster) return;
    const { nodes } = cluster;
    await report.check(`a limit of ${LIMIT} sessions holds for both`, () => limitHolds(cluster!, scale));
    await report.check('a user who is disabled on one is out on the other', () => disabledIsOut(cluster!));
    await report.check('nodes that cannot work together are refused at their start', () => strangersAreRefused(cluster!));
    await report.check('one is killed in the middle of uploads: the other takes over, and every event has one id', () =>
      takesOver(cluster!, scale),
    );
    await report.check('the one that was killed comes back', async () => {
      nodes[1] = await cluster!.node('two', nodes[1]!.dataDirectory);
      await (await cluster!.client(1, 'bob')).put('/back', Buffer.from('x'));
    });
    await cluster.stop();
  },
};

/** Two hubs as two machines would run them, with one storage. */
class Cluster {
  readonly nodes: HubProcess[] = [];

  private constructor(
    readonly database: Service,
    readonly redis: Service,
    readonly receiver: Receiver,
    readonly keyFile: string,
    private readonly key: Buffer,
  ) {}

  static async start(): Promise<Cluster> {
    const [database, redis, receiver, clients] = await Promise.all([startMariadb(), startRedis(), Receiver.listen(), Clients.create()]);
    const keyFile = await clients.makeKey('alice');
    const cluster = new Cluster(database, redis, receiver, keyFile, await readFile(keyFile));
    cluster.nodes.push(await cluster.node('one'));
    const [first] = cluster.nodes as [HubProcess];
    for (const [name, more] of [
      ['alice', ['--max-sessions', String(LIMIT)]],
      ['bob', []],
      ['carol', []],
    ] as const)
      await first.addUser(name, PASSWORD, ['--key', `${keyFile}.pub`, ...more]);
    await addWebhook(first, receiver, TYPE);
    cluster.nodes.push(await cluster.node('two'));
    return cluster;
  }

  environment(node: string): Record<string, string> {
    return {
      ENTREPOT_NODE: node,
      ENTREPOT_DATABASE__URL: this.database.url,
      ENTREPOT_REDIS__URL: this.redis.url,
      ENTREPOT_SECRETS__KEY: KEY,
      ENTREPOT_DURABILITY: 'process',
      ENTREPOT_EVENTS__RETRY: '["300ms","300ms","300ms"]',
      ENTREPOT_LIMITS__UNAUTHENTICATED_PER_ADDRESS: '200',
    };
  }

  node(name: string, dataDirectory?: string, more: Readonly<Record<string, string>> = {}): Promise<HubProcess> {
    const options: HubProcessOptions = { env: { ...this.environment(name), ...more }, hostname: `machine-${name}`, limitMs: 60_000 };
    return HubProcess.start(dataDirectory === undefined ? options : { ...options, dataDirectory });
  }

  client(node: number, user: string): Promise<RawSftp> {
    return RawSftp.connect({ port: this.nodes[node]!.port, user, privateKey: this.key });
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await node.stop();
    await this.receiver.close();
    await this.redis.stop();
    await this.database.stop();
  }
}

async function limitHolds(cluster: Cluster, scale: Scale): Promise<string> {
  const attempts = scale === 'full' ? 1_000 : 100;
  let [left, open, most, opened] = [attempts, 0, 0, 0];
  const live = async (node: number): Promise<void> => {
    while (left-- > 0) {
      const client = await cluster.client(node, 'alice').catch(() => undefined);
      if (!client) continue;
      opened++;
      most = Math.max(most, ++open);
      await sleep(Math.random() * 100);
      // What the client no longer counts, the hub still does for a moment.
      open--;
      client.end();
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, i) => live(i % 2)));
  const figures = `${attempts} attempts, ${opened} let in, ${most} at the same time at most`;
  assert.equal(most, LIMIT, figures);
  assert.ok(opened < attempts, figures);
  await until('all sessions have ended', async () => (await cluster.nodes[0]!.json<unknown[]>(['sessions', 'list'])).length === 0);
  return figures;
}

async function disabledIsOut(cluster: Cluster): Promise<string> {
  const [one] = cluster.nodes as [HubProcess];
  const client = await cluster.client(1, 'carol');
  const shown = await one.json<readonly { readonly user: string }[]>(['sessions', 'list']);
  assert.deepEqual(
    shown.map(({ user }) => user),
    ['carol'],
    'the sessions of the other node are in the list',
  );
  // The command takes most of its time to start: from when the first node has done it, the second one has a second.
  const disabled = one.json(['user', 'disable', 'carol']).then(() => performance.now());
  await until('the client is dropped', () => !client.alive, 15_000);
  const dropped = performance.now();
  const lateMs = Math.round(dropped - (await disabled));
  assert.ok(lateMs < 1_000, `${lateMs} ms`);
  await assert.rejects(cluster.client(1, 'carol'));
  return `out ${lateMs <= 0 ? 'before the command had ended' : `${lateMs} ms after the command`}`;
}

async function strangersAreRefused(cluster: Cluster): Promise<string> {
  const refused = async (what: RegExp, more: Readonly<Record<string, string>>) =>
    assert.rejects(cluster.node('three', await temporaryFolder('stranger'), more), what);
  await refused(/sealed with another secret key/, { ENTREPOT_SECRETS__KEY: Buffer.alloc(32, 6).toString('base64') });
  await refused(/uses this Redis with another database/, { ENTREPOT_DATABASE__URL: 'sqlite:hub.db' });
  const { ENTREPOT_REDIS__URL: _, ...lonely } = cluster.environment('three');
  await assert.rejects(HubProcess.start({ env: lonely }), /Several nodes need a Redis/);
  return 'another key, SQLite, no Redis';
}

async function takesOver(cluster: Cluster, scale: Scale): Promise<string> {
  const { receiver, nodes } = cluster;
  const [one, two] = nodes as [HubProcess, HubProcess];
  const ledger = new Ledger();
  const uploads = scale === 'full' ? 400 : 60;
  // Every slot of alice is on the node that will die, each with an upload that stays unfinished.
  const held = await Promise.all(Array.from({ length: LIMIT }, () => cluster.client(1, 'alice')));
  for (const [i, client] of held.entries()) {
    const handle = await client.open(`/half-${i}`, OPEN.WRITE | OPEN.CREATE);
    await client.request(FXP.WRITE, string(handle), u64(0), string(Buffer.alloc(30_000)));
  }
  await assert.rejects(cluster.client(0, 'alice'));
  let stopping = false;
  const load = async (node: number, name: string): Promise<void> => {
    let client: RawSftp | undefined;
    for (let i = 0; !stopping; i++) {
      try {
        if (!client?.alive) client = await cluster.client(node, 'bob');
        const upload = ledger.begin(`/${name}-${i}`);
        await client.put(upload.path, contentOf(upload));
        ledger.acknowledge(upload);
      } catch {
        if (node === 1 && !two.alive) return;
      }
    }
  };
  const working = [load(0, 'a'), load(1, 'b'), load(1, 'c')];
  await until('uploads', () => ledger.acknowledged >= uploads / 2, 60_000);
  await two.kill();
  const killed = performance.now();
  const since = () => Math.round((performance.now() - killed) / 100) / 10;
  await until('uploads', () => ledger.acknowledged >= uploads, 60_000);
  stopping = true;
  await Promise.all(working);
  const slots = await until(
    'a slot of the dead node',
    async () => {
      const client = await cluster.client(0, 'alice').catch(() => undefined);
      client?.end();
      return client && since();
    },
    TAKE_OVER_MS,
  );
  const home = join(one.files, 'bob');
  await until('its temporaries are gone', async () => (await temporaries(one.files)) === 0, TAKE_OVER_MS);
  const swept = since();
  await ledger.inspect(home);
  await until('every event', () => ledger.missing(receiver.accepted(TYPE)).length === 0, TAKE_OVER_MS).catch(() => undefined);
  const heard = since();
  await sleep(500);
  const accepted = receiver.accepted(TYPE).filter(({ body }) => /^\/[abc]-/.test(body.data.path ?? ''));
  const { acknowledged, unheard, deliveries, ...wrong } = ledger.tally(accepted);
  const figures = `${acknowledged} acknowledged, ${unheard} done but unheard, ${deliveries} deliveries; slots free after ${slots} s, temporaries gone after ${swept} s, every event after ${heard} s; ${JSON.stringify(wrong)}`;
  assert.ok(
    Object.values(wrong).every(count => count === 0),
    figures,
  );
  assert.ok(Math.max(slots, swept, heard) * 1_000 <= TAKE_OVER_MS, figures);
  return figures;
}

async function temporaries(root: string): Promise<number> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter(entry => entry.isFile() && entry.parentPath.includes('/.entrepot')).length;
}

export default script;
