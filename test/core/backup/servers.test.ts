import 'reflect-metadata';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Backups } from '#core/backup/backups.js';
import { restore } from '#core/backup/restore.js';
import { createLogger } from '#core/log.js';
import { migrations } from '../../../migrations/index.js';
import { startHub } from '../../support/hub.js';
import { type Service, startMariadb, startPostgres } from '../../support/services.js';
import { Lacking } from '../../support/tools.js';
import { temporaryDirectory } from '../db/temporary-database.js';

const log = createLogger('silent');

for (const [name, begin] of [
  ['MariaDB', startMariadb],
  ['PostgreSQL', startPostgres],
] as const) {
  test(`from SQLite to ${name} and back: every row is the same`, async t => {
    const service = await started(t, begin);
    if (!service) return;
    const directory = await temporaryDirectory(t);
    const options = { storage: 'disk', databaseFile: true, dataDirectory: join(directory, 'first') } as const;
    const first = await startHub(t, { ...options, users: { alice: { description: 'ä 🙂 "x"  ', maxSessions: 3 }, bob: {} } });
    await (await first.files('alice')).mkdir('/in');
    const file = join(directory, 'first.gz');
    const made = await first.hub.get(Backups).create(file);
    await first.stop();

    const dataDirectory = join(directory, 'second');
    await mkdir(dataDirectory);
    await copyFile(join(directory, 'first', 'secret.key'), join(dataDirectory, 'secret.key'));
    const onServer = { url: service.url, durability: 'process', dataDirectory, log } as const;
    const common = { migrations, key: undefined, keyFiles: { dataDirectory, hostKeyDirectory: undefined } };
    const there = await restore({ ...common, file, database: onServer, replace: false });
    t.is(there.rows, made.rows);
    await t.throwsAsync(restore({ ...common, file, database: onServer, replace: false }), { code: 'conflict', message: /--replace/ });
    await restore({ ...common, file, database: onServer, replace: true });

    const second = await startHub(t, { storage: 'disk', dataDirectory, values: { database: { url: service.url } } });
    const back = join(directory, 'second.gz');
    const again = await second.hub.get(Backups).create(back);
    await t.throwsAsync(restore({ ...common, file, database: onServer, replace: true }), { code: 'conflict', message: /stop all nodes/ });
    await second.stop();
    t.true(again.rows >= made.rows);
    const third = { ...onServer, url: 'sqlite:third.db' };
    // What it wrote is read back and compared with what the server gave, table by table.
    const report = await restore({ ...common, file: back, database: third, replace: false });
    t.is(report.rows, again.rows);
    t.is(report.tables.users, 2);
  });
}

async function started(t: ExecutionContext, begin: () => Promise<Service>): Promise<Service | undefined> {
  try {
    const service = await begin();
    t.teardown(() => service.stop());
    return service;
  } catch (error) {
    if (!(error instanceof Lacking) || process.env.CI) throw error;
    t.log(error.message);
    t.pass();
    return undefined;
  }
}
