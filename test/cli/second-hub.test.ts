import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DATABASES } from '../support/databases.js';
import { type Ended, entrepot, startHub, temporaryFolder } from './cli.js';

const KEY = Buffer.alloc(32, 7).toString('base64');

interface Place {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Two data directories, and what makes hubs on both work on one database. */
async function places(t: ExecutionContext, url?: string): Promise<readonly [Place, Place]> {
  const folder = await temporaryFolder(t);
  const [one, other] = [join(folder, 'one'), join(folder, 'other')];
  for (const cwd of [one, other]) await mkdir(cwd);
  await symlink(join(folder, 'hub.db'), join(other, 'linked.db'));
  const env = (file: string) => ({ ENTREPOT_DATABASE__URL: url ?? `sqlite:${file}`, ENTREPOT_SECRETS__KEY: KEY });
  return [
    { cwd: one, env: env(join(folder, 'hub.db')) },
    { cwd: other, env: env(join(other, 'linked.db')) },
  ];
}

function refused(t: ExecutionContext, ended: Ended, sentence: RegExp): void {
  t.is(ended.code, 1, ended.stderr);
  t.regex(ended.stderr, sentence);
  t.notRegex(ended.stderr, /^\s+at /m);
}

for (const [first, second] of [
  ['0', '0'],
  ['0', '2'],
  ['2', '0'],
] as const) {
  test.serial(`a second hub on an SQLite file is refused, of ${second} workers beside one of ${first}`, async t => {
    t.timeout(120_000);
    const [one, other] = await places(t);
    const hub = await startHub(t, one.cwd, { ...one.env, ENTREPOT_WORKERS: first });
    const start = () => entrepot(['start'], { ...other, env: { ...other.env, ENTREPOT_WORKERS: second } });
    refused(t, await start(), /Another hub works on the database .*\.db: stop it, or give this one another `database\.url`/);
    t.is((await entrepot(['user', 'add', 'alice'], other)).code, 0);
    t.regex((await entrepot(['user', 'list'], one)).stdout, /alice/);
    await hub.end('SIGKILL');
    const next = await startHub(t, other.cwd, { ...other.env, ENTREPOT_WORKERS: second });
    t.is(await next.end(), 0);
  });
}

test.serial('records are neither copied nor restored while a hub with another data directory works on them', async t => {
  t.timeout(170_000);
  for (const kind of DATABASES.slice(0, 2)) {
    const url = kind.name === 'SQLite' ? undefined : await kind.fresh();
    const [one, other] = await places(t, url);
    const hub = await startHub(t, one.cwd, one.env);
    t.is((await entrepot(['user', 'add', 'alice'], one)).code, 0);
    t.is((await entrepot(['backup', 'b.gz'], one)).code, 0);
    const [busy, free] = [one.env.ENTREPOT_DATABASE__URL!, 'sqlite:new.db'];
    const sentence = /A hub works on the database .*: stop/;
    refused(t, await entrepot(['database', 'copy', '--from', busy, '--to', free], other), sentence);
    const idle = { ENTREPOT_DATABASE__URL: 'sqlite:idle.db', ENTREPOT_SECRETS__KEY: KEY };
    t.is((await entrepot(['user', 'add', 'bob'], { ...other, env: idle })).code, 0);
    refused(t, await entrepot(['database', 'copy', '--from', 'sqlite:idle.db', '--to', busy], other), sentence);
    refused(t, await entrepot(['restore', join(one.cwd, 'b.gz'), '--replace'], other), sentence);
    t.is(await hub.end(), 0);
    t.is((await entrepot(['database', 'copy', '--from', busy, '--to', free], other)).code, 0);
    refused(t, await entrepot(['database', 'copy', '--from', free, '--to', busy], other), /holds records already/);
  }
});
