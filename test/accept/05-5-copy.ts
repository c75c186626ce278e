import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { LocalCoordinator } from '#core/cluster/local.js';
import { openDatabase } from '#core/db/open.js';
import { rowsOf, tablesOf } from '#core/db/tables.js';
import type { UserFields } from '#core/db/user.js';
import { UserRepository } from '#core/db/users.js';
import { createLogger } from '#core/log.js';
import { temporaryFolder } from '../support/children.js';
import { entrepot } from '../support/hub-process.js';
import { startMariadb, startPostgres } from '../support/services.js';
import type { AcceptScript } from './script.js';

const log = createLogger('silent');
/** Of the processes that work on a database, not of the hub. */
const LEFT_OUT = ['processes'];
const NAMES = ['ada', 'Zoë', '名前', 'Ünï-', 'ﬁ_x', 'I.', 'x@y+z'];

const script: AcceptScript = {
  id: '05.5',
  title: 'users with keys and mounts copied SQLite → MariaDB → PostgreSQL → SQLite: the dumps are equal',
  async run(report, scale) {
    const count = scale === 'full' ? 10_000 : 1_000;
    const [folder, mariadb, postgres] = await Promise.all([temporaryFolder('copied'), startMariadb(), startPostgres()]);
    const urls = ['sqlite:hub.db', mariadb.url, postgres.url, 'sqlite:back.db'];
    try {
      await report.check(`${count} users are made, with names, paths and rights of many kinds`, async () => {
        const made = await entrepot(['webhook', 'add', 'https://example.com/ü', '--event', 'upload.*', '--data-dir', folder]);
        assert.equal(made.code, 0, made.output);
        await addUsers(folder, count);
      });
      let first: Dump | undefined;
      for (let step = 1; step < urls.length; step++) {
        const [from, to] = [urls[step - 1]!, urls[step]!];
        await report.check(`${kindOf(from)} → ${kindOf(to)}`, async () => {
          const began = performance.now();
          const { code, output } = await entrepot(['database', 'copy', '--from', from, '--to', to, '--data-dir', folder]);
          assert.equal(code, 0, output);
          const tookMs = Math.round(performance.now() - began);
          first ??= await dump(from, folder);
          const dumped = await dump(to, folder);
          assert.deepEqual(dumped, first);
          return `${dumped.rows} rows in ${tookMs} ms, sha256 ${dumped.digest.slice(0, 16)}`;
        });
      }
      await report.check('what each database tells through the program is the same', async () => {
        const told = await Promise.all(
          urls.map(async url => {
            const { code, stdout, output } = await entrepot(['user', 'list', '--json', '--data-dir', folder], {
              env: { ENTREPOT_DATABASE__URL: url },
            });
            assert.equal(code, 0, output);
            return stdout;
          }),
        );
        for (const other of told) assert.equal(other, told[0]);
        return `${told[0]!.length} bytes of JSON`;
      });
      await report.check('control: one byte that differs is seen', async () => {
        const database = await openDatabase({ url: postgres.url, durability: 'process', dataDirectory: folder, log });
        await database.knex('mounts').where({ position: 1 }).limit(1).update({ directory: '/changed' });
        await database.close();
        assert.notDeepEqual(await dump(postgres.url, folder), first);
      });
      await report.check('a database that holds records is refused', async () => {
        const { code, output } = await entrepot(['database', 'copy', '--from', urls[0]!, '--to', urls[1]!, '--data-dir', folder]);
        assert.equal(code, 1);
        assert.match(output, /holds records already/);
      });
    } finally {
      await Promise.all([mariadb.stop(), postgres.stop()]);
    }
  },
};

interface Dump {
  readonly rows: number;
  readonly digest: string;
}

/** Every row of every table, as texts in one order. */
async function dump(url: string, dataDirectory: string): Promise<Dump> {
  const database = await openDatabase({ url, durability: 'process', dataDirectory, log });
  const hash = createHash('sha256');
  let rows = 0;
  try {
    const tables = (await tablesOf(database.knex)).filter(({ name }) => !LEFT_OUT.includes(name));
    await database.snapshot(async trx => {
      for (const table of tables.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        const lines: string[] = [];
        for await (const batch of rowsOf(trx, table)) lines.push(...batch.map(row => JSON.stringify(row)));
        rows += lines.length;
        hash.update(`${table.name} ${table.columns.join()}\n${lines.sort().join('\n')}\n`);
      }
    });
  } finally {
    await database.close();
  }
  return { rows, digest: hash.digest('hex') };
}

async function addUsers(dataDirectory: string, count: number): Promise<void> {
  const database = await openDatabase({ url: 'sqlite:hub.db', durability: 'process', dataDirectory, log });
  const users = new UserRepository(database, new LocalCoordinator());
  for (let from = 0; from < count; from += 200)
    await database.transaction(async trx => {
      for (let i = from; i < Math.min(from + 200, count); i++) await users.create(userOf(i), trx);
    });
  await database.close();
}

function userOf(i: number): UserFields {
  const key = (name: string) => ({
    fingerprint: `SHA256:${createHash('sha256').update(`${i} ${name}`).digest('base64').slice(0, 43)}`,
    algorithm: 'ssh-ed25519',
    data: randomBytes(51).toString('base64'),
    comment: `${name} 🔑 'quoted' "twice" \\n`,
  });
  const deep = i % 100 === 0 ? `/${'tief/ä '.repeat(400)}ende` : `/home ${i} `;
  return {
    username: `${NAMES[i % NAMES.length]}${i}`,
    status: i % 9 === 0 ? 'disabled' : 'active',
    description: i % 5 === 0 ? '' : `Zeile 1\nZeile\t2 \u0001 ${'🙂'.repeat(i % 7)} `,
    ...(i % 3 === 0 && { passwordHash: `$argon2id$v=19$${i}` }),
    keys: [key('a'), ...(i % 2 === 0 ? [key('b')] : [])],
    permissions: { '/': ['*'], '/in/Ä ': ['list', 'upload'] },
    patterns: [{ path: '/in', allow: ['*.csv', '名*'], deny: [], hidden: i % 2 === 0 }],
    mounts: [
      { path: '/', storage: 'data', directory: deep },
      { path: '/In ', storage: 'Archive', directory: '/' },
    ],
    expiresAt: i % 4 === 0 ? 4_102_444_800_000 + i : undefined,
    protocols: i % 2 === 0 ? ['sftp'] : [],
    addresses: ['10.0.0.0/8'],
    maxSessions: i % 6 === 0 ? i + 1 : undefined,
    methods: i % 8 === 0 ? ['publickey+password'] : [],
  };
}

function kindOf(url: string): string {
  return { sqlite: 'SQLite', mysql: 'MariaDB', postgres: 'PostgreSQL' }[url.split(':')[0]!] ?? url;
}

export default script;
