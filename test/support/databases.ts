import ava, { type ExecutionContext, registerCompletionHandler } from 'ava';
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { Dialect } from '#core/db/dialect.js';
import type { DatabaseContext } from '../conformance/outbox.js';
import { startMariadb, startPostgres } from './services.js';
import { Lacking } from './tools.js';

/** A kind of databases that tests are run on. */
export interface DatabaseKind {
  readonly name: 'SQLite' | 'MariaDB' | 'PostgreSQL';
  readonly dialect: Dialect;
  /** Starts the one server that this process has of the kind. Throws Lacking where it is not installed. */
  start(): Promise<void>;
  /** The address of a new, empty database. */
  fresh(): Promise<string>;
}

const NAMES = { SQLite: 'sqlite', MariaDB: 'mysql', PostgreSQL: 'postgres' } as const;

const mariadb = once(async () => {
  const { url } = await startMariadb('--innodb-flush-log-at-trx-commit=0');
  const admin = await mysql.createConnection(url);
  return (name: string) => createOn(url, name, () => admin.query(`CREATE DATABASE ${name}`));
});

const postgres = once(async () => {
  const { url } = await startPostgres();
  const admin = new pg.Client(url);
  await admin.connect();
  // One at a time, as the driver wants it.
  let last: Promise<unknown> = Promise.resolve();
  return (name: string) =>
    createOn(url, name, () => {
      last = last.then(() => admin.query(`CREATE DATABASE ${name}`));
      return last;
    });
});

let made = 0;

/** Every kind that the hub can keep its records in. */
export const DATABASES: readonly DatabaseKind[] = (Object.keys(NAMES) as (keyof typeof NAMES)[]).map(name => ({
  name,
  dialect: NAMES[name],
  async start() {
    if (name !== 'SQLite') await (name === 'MariaDB' ? mariadb() : postgres());
  },
  async fresh() {
    if (name === 'SQLite') return 'sqlite:hub.db';
    const create = await (name === 'MariaDB' ? mariadb() : postgres());
    return create(`hub_${++made}`);
  },
}));

// The servers would keep the process of the tests from its end; they end with it.
registerCompletionHandler(() => process.exit());

/** Tests on servers run a few at a time: each has connections of its own. */
const PLACES = 6;
const waiting: (() => void)[] = [];
let running = 0;

/**
 * Registers a test for each kind of databases. In it, hubDatabase() and Outbox.open() give databases of that kind. A kind whose
 * server is not installed is left out with a note, and fails when CI is set.
 */
export function onEachDatabase(title: string, body: (t: ExecutionContext, kind: DatabaseKind) => Promise<void>): void {
  for (const kind of DATABASES) {
    ava(`${kind.name}: ${title}`, async t => {
      t.timeout(170_000);
      if (kind.name === 'SQLite') return body(t, kind);
      await enter();
      t.teardown(leave);
      try {
        await kind.start();
        t.context = { freshDatabase: kind.fresh } satisfies DatabaseContext;
      } catch (error) {
        if (!(error instanceof Lacking) || process.env.CI) throw error;
        t.log(error.message);
        return t.pass();
      }
      return body(t, kind);
    });
  }
}

async function enter(): Promise<void> {
  if (running >= PLACES) await new Promise<void>(resolve => waiting.push(resolve));
  else running += 1;
}

function leave(): void {
  const next = waiting.shift();
  if (next) next();
  else running -= 1;
}

async function createOn(url: string, name: string, create: () => Promise<unknown>): Promise<string> {
  await create();
  const address = new URL(url);
  address.pathname = `/${name}`;
  return address.href;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
