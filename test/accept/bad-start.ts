import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { temporaryFolder } from '../support/children.js';
import { entrepot, HubProcess } from '../support/hub-process.js';
import type { Report } from './script.js';

/** Configurations that are wrong, and what the message must hold beside the file's name. */
const CONFIGURATIONS: readonly (readonly [what: string, yaml: string, ...expected: RegExp[]])[] = [
  ['an unknown key', 'protocols:\n  sftp: { prot: 2022 }\n', /protocols\.sftp\.prot/, /port/],
  ['an unknown section', 'protocol: {}\n', /protocol/, /protocols/],
  ['a wrong type', 'protocols:\n  sftp: { port: twenty }\n', /protocols\.sftp\.port/, /number/],
  ['a value out of range', 'protocols:\n  sftp: { port: 70000 }\n', /protocols\.sftp\.port/, /65,?535/],
  ['a bad choice', 'durability: maybe\n', /durability/, /disk/, /process/],
  ['a duration without a unit', 'limits: { idle: 15 }\n', /limits\.idle/],
  ['YAML that is none', 'limits: [\n', /line|:\d/],
  ['a list for the whole', '- a\n- b\n', /mapping|object/i],
];

const VARIABLES: readonly (readonly [what: string, env: Readonly<Record<string, string>>, ...expected: RegExp[]])[] = [
  ['an unknown variable', { ENTREPOT_PROTOCOLS__SFTP__PROT: '1' }, /ENTREPOT_PROTOCOLS__SFTP__PROT/, /ENTREPOT_PROTOCOLS__SFTP__PORT/],
  ['a variable of a wrong type', { ENTREPOT_LIMITS__SESSIONS: 'many' }, /ENTREPOT_LIMITS__SESSIONS|limits\.sessions/, /number/],
  ['a list that is no JSON', { ENTREPOT_OUTBOUND__ALLOW: '[oops' }, /ENTREPOT_OUTBOUND__ALLOW/, /JSON/],
];

/** Empty variables count as none, so that the file decides. */
const NO_VARIABLES = { ENTREPOT_PROTOCOLS__SFTP__HOST: '', ENTREPOT_PROTOCOLS__SFTP__PORT: '' };

/** Wrong configurations and impossible starts: one clear message, exit 1, no stack trace. */
export async function checkStarts(report: Report): Promise<void> {
  const folder = await temporaryFolder('config');
  await report.check('wrong configurations are refused with file, path and what was expected', async () => {
    for (const [what, yaml, ...expected] of CONFIGURATIONS) {
      const file = join(folder, 'wrong.yaml');
      await writeFile(file, yaml);
      for (const command of [
        ['config', 'check', '--config', file],
        ['start', '--config', file, '--data-dir', join(folder, 'data')],
      ]) {
        await refused(`${command[0]}: ${what}`, await entrepot(command, { cwd: folder, env: NO_VARIABLES }), /wrong\.yaml/, ...expected);
      }
    }
    const file = join(folder, 'extension.yaml');
    await writeFile(file, 'extensions:\n  no-such-package-here: {}\n');
    await refused(
      'an extension that is not there',
      await entrepot(['config', 'check', '--config', file]),
      /no-such-package-here.*npm install/,
    );
    return `${CONFIGURATIONS.length + 1} configurations`;
  });
  await report.check('wrong variables are refused with the nearest name', async () => {
    for (const [what, env, ...expected] of VARIABLES) {
      await refused(what, await entrepot(['config', 'check'], { env, cwd: folder }), ...expected);
    }
    return `${VARIABLES.length} variables`;
  });
  await report.check('a port that is taken, a data directory that is none, a newer database: one sentence', async () => {
    const server = createServer();
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const port = String((server.address() as AddressInfo).port);
    const taken = await entrepot(['start', '--data-dir', join(folder, 'taken')], {
      env: { ENTREPOT_PROTOCOLS__SFTP__PORT: port },
      cwd: folder,
    });
    server.close();
    await refused('a port that is taken', taken, new RegExp(port));
    const file = join(folder, 'a-file');
    await writeFile(file, '');
    await refused('a data directory that is a file', await entrepot(['start', '--data-dir', file]), /a-file/);
    await refused('a newer database', await entrepot(['start', '--data-dir', await newerDatabase(folder)]), /newer/);
  });
  await report.check('a second hub on the same data is refused with the pid of the first; a killed one is not in the way', async () => {
    const hub = await HubProcess.start();
    await refused('a second hub', await entrepot(['start', '--data-dir', hub.dataDirectory]), new RegExp(String(hub.pid)));
    await hub.kill();
    const next = await HubProcess.start({ dataDirectory: hub.dataDirectory });
    assert.equal(await next.stop(), 0);
  });
}

async function refused(what: string, outcome: { readonly code: number; readonly output: string }, ...expected: RegExp[]): Promise<void> {
  assert.equal(outcome.code, 1, `${what}: exit ${outcome.code}: ${outcome.output}`);
  assert.doesNotMatch(outcome.output, /^\s+at .*:\d+:\d+/m, `${what}: a stack trace`);
  for (const pattern of expected) assert.match(outcome.output, pattern, what);
}

/** A data directory whose database has had a migration that this version does not know. */
async function newerDatabase(folder: string): Promise<string> {
  const hub = await HubProcess.start({ dataDirectory: join(folder, 'newer') });
  await hub.stop();
  await mkdir(hub.dataDirectory, { recursive: true });
  const database = new Database(join(hub.dataDirectory, 'hub.db'));
  database.prepare("INSERT INTO migrations (name, applied_at) VALUES ('9999_from_the_future', 0)").run();
  database.close();
  return hub.dataDirectory;
}
