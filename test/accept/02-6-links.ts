import assert from 'node:assert/strict';
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/children.js';
import { runCommand } from '../support/exec.js';
import { HubProcess } from '../support/hub-process.js';
import { FXP, type Login, NO_ATTRS, OPEN, RawSftp, STATUS, string, u32, u64 } from '../support/raw-sftp.js';
import { checkPathSwapOfVerbs } from './path-swap-verbs.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'correct-horse';
const REPLACE = OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE;

const script: AcceptScript = {
  id: '02.6.1',
  title: 'no link leads out of a storage, whoever made it',
  async run(report, scale) {
    const hub = await HubProcess.start();
    for (const links of ['never', 'inside']) {
      const root = await temporaryFolder(`links-${links}`);
      await hub.json(['storage', 'add', links, '--kind', 'local', '--option', `root=${root}`, '--option', `links=${links}`]);
      await hub.addUser(links, PASSWORD, ['--home', `${links}:/home`, '--permission', '/=*']);
      const login = { port: hub.port, user: links, password: PASSWORD };
      const client = await RawSftp.connect(login);
      const outside = await temporaryFolder('outside');
      await plant(join(root, 'home'), outside);
      await makeByClient(client);
      const before = await stateOf(root, outside);
      for (const [title, attempt] of Object.entries(ESCAPES)) {
        await report.check(`links: ${links}: ${title}: as if nothing were there`, async () => {
          assert.equal(await attempt(client, login), STATUS.NO_SUCH_FILE);
          assert.deepEqual(await stateOf(root, outside), before);
        });
      }
      await report.check(`links: ${links}: control: the same requests are done where no link leads out`, async () => {
        assert.equal(await ESCAPES['stat through a directory']!(client, login, '/real'), STATUS.OK);
        assert.equal(await ESCAPES['scp from a directory']!(client, login, '/real'), STATUS.OK);
      });
      client.end();
    }
    await hub.addUser('alice', PASSWORD, ['--permission', '/=*']);
    await checkPathSwapOfVerbs(report, hub, { port: hub.port, user: 'alice', password: PASSWORD }, scale);
    await hub.stop();
  },
};

/** Tries to get out, through the directory `by` where one is named; gives the status. */
type Escape = (client: RawSftp, login: Login, by?: string) => Promise<number>;

const ask = async (client: RawSftp, type: number, ...parts: readonly Buffer[]) => {
  const { type: answered, code } = await client.request(type, ...parts);
  return answered === FXP.STATUS ? code : STATUS.OK;
};
const open =
  (path: string, flags: number): Escape =>
  client =>
    ask(client, FXP.OPEN, string(path), u32(flags), NO_ATTRS);
const opendir =
  (path: string): Escape =>
  client =>
    ask(client, FXP.OPENDIR, string(path));
const rename =
  (from: string, to: string): Escape =>
  client =>
    ask(client, FXP.EXTENDED, string('posix-rename@openssh.com'), string(from), string(to));
const hardlink =
  (from: string, to: string): Escape =>
  client =>
    ask(client, FXP.EXTENDED, string('hardlink@openssh.com'), string(from), string(to));
const command =
  (line: (by: string) => string, input = ''): Escape =>
  async (_client, login, by = '/to-directory') => {
    const { code, stdout, stderr } = await runCommand(login, line(by), input);
    if (code === 0) return STATUS.OK;
    return `${stdout}${stderr}`.includes('No such file or directory') ? STATUS.NO_SUCH_FILE : STATUS.FAILURE;
  };

const ESCAPES: Readonly<Record<string, Escape>> = {
  'reading a file': open('/to-file', OPEN.READ),
  'reading in a directory': open('/to-directory/secret', OPEN.READ),
  'reading along a chain': open('/chain/secret', OPEN.READ),
  'reading from the root of the machine': open('/to-root/etc/passwd', OPEN.READ),
  "reading another user's file": open('/to-neighbour/file', OPEN.READ),
  'reading by a link that the client made and moved': open('/moved-link/file', OPEN.READ),
  'reading by a link in a directory that the client moved': open('/moved-directory/link/file', OPEN.READ),
  'replacing a file': open('/to-file', REPLACE),
  'making a file at the end of a link': open('/dangling', REPLACE),
  'making a file in a directory': open('/to-directory/new', REPLACE),
  'stat through a directory': (client, _login, by = '/to-directory') => ask(client, FXP.STAT, string(`${by}/secret`)),
  'stat of a link': client => ask(client, FXP.STAT, string('/to-file')),
  'listing a directory': opendir('/to-directory'),
  'listing by a relative link': opendir('/relative'),
  'listing below a directory': opendir('/to-directory/directory'),
  'making a directory': client => ask(client, FXP.MKDIR, string('/to-directory/new'), NO_ATTRS),
  'removing a file': client => ask(client, FXP.REMOVE, string('/to-directory/secret')),
  'removing a directory': client => ask(client, FXP.RMDIR, string('/to-directory/directory')),
  'a mode': client => ask(client, FXP.SETSTAT, string('/to-file'), u32(4), u32(0o777)),
  'a size': client => ask(client, FXP.SETSTAT, string('/to-directory/secret'), u32(1), u64(1)),
  'moving a file in': rename('/to-directory/secret', '/stolen'),
  'moving a file out': rename('/own', '/to-directory/new'),
  'a second name of a file outside': hardlink('/to-directory/secret', '/stolen'),
  'a second name outside': hardlink('/own', '/to-directory/new'),
  'a link outside': client => ask(client, FXP.SYMLINK, string('secret'), string('/to-directory/new')),
  'scp from a directory': command(by => `scp -f ${by}/secret`, '\0\0\0\0'),
  'scp to a directory': command(by => `scp -t ${by}/new`, 'C0644 1 x\nx\0'),
  'a checksum': command(by => `sha256sum ${by}/secret`),
};

/** What somebody with access to the disk has left: links out of the storage, and out of the user's home. */
async function plant(home: string, outside: string): Promise<void> {
  await mkdir(join(home, '../neighbour'), { recursive: true });
  await mkdir(join(home, 'real'), { recursive: true });
  await mkdir(join(outside, 'directory'));
  for (const file of [join(outside, 'secret'), join(home, 'real/secret'), join(home, 'own'), join(home, '../neighbour/file')])
    await writeFile(file, 'content');
  const links = {
    'to-file': join(outside, 'secret'),
    'to-directory': outside,
    relative: `${'../'.repeat(20)}${outside.slice(1)}`,
    dangling: join(outside, 'not-yet'),
    'to-root': '/',
    chain: 'second',
    second: 'to-directory',
    'to-neighbour': '../neighbour',
  };
  for (const [name, target] of Object.entries(links)) await symlink(target, join(home, name));
}

/** What a client leaves: links that are right where they are made, and lead out where they are moved to. */
async function makeByClient(client: RawSftp): Promise<void> {
  for (const path of ['/a', '/a/b', '/neighbour']) await client.request(FXP.MKDIR, string(path), NO_ATTRS);
  await client.put('/neighbour/file', Buffer.from('content'));
  for (const path of ['/a/link', '/a/b/link']) {
    const target = path === '/a/link' ? '../neighbour' : '../../neighbour';
    assert.equal((await client.request(FXP.SYMLINK, string(target), string(path))).code, STATUS.OK);
  }
  await client.request(FXP.RENAME, string('/a/link'), string('/moved-link'));
  await client.request(FXP.RENAME, string('/a/b'), string('/moved-directory'));
}

/** Every entry below the folders, no link followed, with what any of the requests would change. */
async function stateOf(...folders: readonly string[]): Promise<readonly unknown[]> {
  const entries: unknown[] = [];
  for (const folder of folders) {
    for (const name of (await readdir(folder)).sort()) {
      if (name.startsWith('.entrepot')) continue;
      const path = join(folder, name);
      const stats = await lstat(path);
      entries.push([path, stats.mode, stats.size, stats.nlink, stats.isFile() ? await readFile(path, 'utf8') : '']);
      if (stats.isDirectory()) entries.push(...(await stateOf(path)));
    }
  }
  return entries;
}

export default script;
