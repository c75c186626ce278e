import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { addWebhook, listEvents } from '../support/events.js';
import { HubProcess } from '../support/hub-process.js';
import { FXP, NO_ATTRS, RawSftp, string } from '../support/raw-sftp.js';
import { Receiver } from '../support/receiver.js';
import { freeze, type Service, startMariadb, startPostgres } from '../support/services.js';
import type { AcceptScript, Report } from './script.js';

const TYPE = 'upload.completed';
const PASSWORD = 'a long password';
const CLIENTS = 4;
const BACK_MS = 5_000;
/** No upload may wait longer for its answer, whatever the database does. */
const ANSWER_MS = 20_000;

type Kind = 'MariaDB' | 'PostgreSQL';

interface Plan {
  readonly calmMs: number;
  readonly outageMs: number;
  /** Uploads that are acknowledged at least, with each fault. */
  readonly uploads: number;
}

/** Asks the server something, past the hub. Connections of it end with the server. */
type Ask = (...statements: readonly string[]) => Promise<unknown>;

interface Fault {
  readonly name: string;
  /** Whether uploads are held up or refused while it lasts. */
  readonly isFelt: boolean;
  /** How long it lasts, as a part of the plan's outage. */
  readonly share: number;
  /** Begins it; what it gives ends it. */
  begin(server: Service, connect: () => Promise<Ask>, kind: Kind): Promise<() => Promise<unknown> | unknown>;
}

const LOCK: Readonly<Record<Kind, readonly string[]>> = {
  MariaDB: ['LOCK TABLES events WRITE', 'UNLOCK TABLES'],
  PostgreSQL: ['BEGIN; LOCK TABLE events', 'COMMIT'],
};

const FAULTS: readonly Fault[] = [
  {
    name: 'killed',
    isFelt: true,
    share: 0.25,
    async begin(server) {
      await server.kill();
      return () => server.restart();
    },
  },
  { name: 'stopped', isFelt: true, share: 1, begin: server => freeze(server) },
  {
    name: 'locked',
    isFelt: true,
    share: 0.7,
    async begin(_server, connect, kind) {
      const ask = await connect();
      const [lock, unlock] = LOCK[kind];
      await ask(lock!);
      return () => ask(unlock!);
    },
  },
  { name: 'deadlocked', isFelt: false, share: 0.4, begin: async (_server, connect) => lockCrosswise(await connect()) },
];

/** Takes the rows of the newest events and their deliveries in the other order than the hub does, again and again. */
function lockCrosswise(ask: Ask): () => Promise<void> {
  let isOver = false;
  const loop = async () => {
    while (!isOver) {
      await ask(
        'BEGIN',
        'SELECT id FROM events ORDER BY id DESC LIMIT 30 FOR UPDATE',
        'UPDATE deliveries SET last_error = last_error WHERE event_id IN (SELECT id FROM (SELECT id FROM events ORDER BY id DESC LIMIT 30) newest)',
        'COMMIT',
      ).catch(() => ask('ROLLBACK').catch(() => undefined));
      await sleep(20);
    }
  };
  const done = loop();
  return () => {
    isOver = true;
    return done;
  };
}

const script: AcceptScript = {
  id: '05.3',
  title: 'MariaDB and PostgreSQL killed, stopped, locked and deadlocked, with uploads going on: no acknowledgement without its event',
  async run(report, scale) {
    const plan = scale === 'full' ? { calmMs: 5_000, outageMs: 30_000, uploads: 500 } : { calmMs: 500, outageMs: 6_000, uploads: 40 };
    await Promise.all([suffer('MariaDB', startMariadb, plan, report), suffer('PostgreSQL', startPostgres, plan, report)]);
  },
};

async function suffer(kind: Kind, start: () => Promise<Service>, plan: Plan, report: Report): Promise<void> {
  const [server, clients, receiver] = await Promise.all([start(), Clients.create(), Receiver.listen()]);
  const key = await clients.makeKey('alice');
  const hub = await HubProcess.start({
    env: { ENTREPOT_DATABASE__URL: server.url, ENTREPOT_EVENTS__RETRY: '["300ms","300ms","1s","1s","1s","5s","5s"]' },
  });
  try {
    await hub.addUser('alice', PASSWORD, ['--key', `${key}.pub`]);
    await addWebhook(hub, receiver, TYPE);
    for (const fault of FAULTS)
      await report.check(`${kind} ${fault.name}`, () => new Trial(kind, server, hub, receiver, fault, plan).run(key));
    await report.check(`${kind}: the sftp program uploads as before`, async () => {
      const file = join(clients.home, 'last.dat');
      await writeFile(file, 'last');
      const put = await clients.sftp({ port: hub.port, user: 'alice', keyFile: key }, [`put ${file} /last.dat`], [], 30_000);
      assert.equal(put.code, 0, put.output);
      await until('its event', async () => (await listEvents(hub, TYPE, '/last.dat')).length === 1);
    });
  } finally {
    await hub.stop();
    await receiver.close();
    await server.stop();
  }
}

/** Uploads without a pause, one fault in the middle of them, and what became of them all. */
class Trial {
  readonly #acknowledged = new Map<string, number>();
  readonly #refusals: string[] = [];
  #longestMs = 0;
  #isOver = false;

  constructor(
    private readonly kind: Kind,
    private readonly server: Service,
    private readonly hub: HubProcess,
    private readonly receiver: Receiver,
    private readonly fault: Fault,
    private readonly plan: Plan,
  ) {}

  async run(key: string): Promise<string> {
    const login = { port: this.hub.port, user: 'alice', privateKey: await readFile(key) };
    const sessions = await Promise.all(Array.from({ length: CLIENTS }, () => RawSftp.connect(login)));
    await sessions[0]!.request(FXP.MKDIR, string(`/${this.fault.name}`), NO_ATTRS);
    const uploads = sessions.map((session, i) => this.#upload(session, i));
    const retriesBefore = await this.#retries();
    await sleep(this.plan.calmMs);
    const end = await this.fault.begin(this.server, () => this.#connect(), this.kind);
    await sleep(this.#outageMs);
    await end();
    const [mended, before] = [performance.now(), this.#acknowledged.size];
    await until('an upload is acknowledged again', () => this.#acknowledged.size > before, 30_000);
    const backMs = Math.round(performance.now() - mended);
    await sleep(this.plan.calmMs);
    await until('enough uploads', () => this.#acknowledged.size >= this.plan.uploads, 120_000);
    this.#isOver = true;
    await Promise.all(uploads);
    const retries = (await this.#retries()) - retriesBefore;
    assert.ok(
      sessions.every(session => session.alive),
      'a session was lost',
    );
    for (const session of sessions) session.end();
    await this.#compare();
    this.#judge(backMs);
    const { size } = this.#acknowledged;
    return `${size} acknowledged, ${this.#refusals.length} refused, longest answer ${Math.round(this.#longestMs)} ms, back after ${backMs} ms, ${retries} transactions made again`;
  }

  get #outageMs(): number {
    return this.plan.outageMs * this.fault.share;
  }

  async #upload(session: RawSftp, client: number): Promise<void> {
    for (let round = 0; !this.#isOver; round++) {
      const content = `content of ${client}-${round}`;
      const path = `/${this.fault.name}/${client}-${round}.dat`;
      const began = performance.now();
      try {
        await session.put(path, Buffer.from(content));
        this.#acknowledged.set(path, content.length);
        await sleep(20);
      } catch (error) {
        this.#refusals.push(String((error as Error).message));
        if (!session.alive) return;
        await sleep(100);
      } finally {
        this.#longestMs = Math.max(this.#longestMs, performance.now() - began);
      }
    }
  }

  /** Every acknowledged upload has its event, and every event its file; each is delivered. */
  async #compare(): Promise<void> {
    const wanted = [...this.#acknowledged.keys()];
    const delivered = () => new Set(this.receiver.accepted(TYPE).map(({ body }) => String(body.data.path)));
    await until('the deliveries', () => wanted.every(path => delivered().has(path)), 40_000).catch(() => undefined);
    const heard = delivered();
    const recorded = new Set((await listEvents(this.hub, TYPE, `/${this.fault.name}`)).map(({ data }) => String(data.path)));
    // The list gives the thousand newest.
    const missing = recorded.size < 1_000 ? wanted.filter(path => !recorded.has(path)) : [];
    assert.deepEqual(missing, [], 'acknowledged, and no event');
    const unheard = wanted.filter(path => !heard.has(path));
    assert.deepEqual(unheard, [], 'acknowledged, and not delivered');
    for (const path of recorded) {
      const file = join(this.hub.files, 'alice', path);
      const size = await stat(file).then(
        info => info.size,
        () => -1,
      );
      assert.ok(size > 0, `an event, and no file: ${path}`);
      if (this.#acknowledged.has(path)) assert.equal(size, this.#acknowledged.get(path));
    }
  }

  #judge(backMs: number): void {
    assert.ok(backMs <= BACK_MS, `back after ${backMs} ms`);
    assert.ok(this.#longestMs < ANSWER_MS, `an answer took ${this.#longestMs} ms`);
    const unclear = this.#refusals.filter(text => !/The database |No space left/.test(text));
    assert.deepEqual(unclear, [], 'errors that say nothing');
    if (this.fault.isFelt) assert.ok(this.#refusals.length > 0 || this.#longestMs > this.#outageMs / 2, 'the fault was not felt');
    else assert.deepEqual(this.#refusals, []);
  }

  async #retries(): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.hub.portOf('web')}/metrics`)).text();
    return Number(/^entrepot_database_retries_total (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
  }

  async #connect(): Promise<Ask> {
    if (this.kind === 'MariaDB') {
      const connection = await mysql.createConnection(this.server.url);
      connection.on('error', () => undefined);
      return async (...statements) => {
        for (const sql of statements) await connection.query(sql);
      };
    }
    const client = new pg.Client(this.server.url);
    client.on('error', () => undefined);
    await client.connect();
    return async (...statements) => {
      for (const sql of statements) await client.query(sql);
    };
  }
}

export default script;
