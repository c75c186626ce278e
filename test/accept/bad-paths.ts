import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Account } from '../support/clients.js';
import type { HubProcess } from '../support/hub-process.js';
import { type Answer, FXP, NO_ATTRS, OPEN, RawSftp, readString, STATUS, string, u32, u64 } from '../support/raw-sftp.js';
import type { Report } from './script.js';

const SECRET = 'OUTSIDE-OF-THE-ROOT';

/** Paths that try to leave the root; each must mean something inside of it, or be refused. */
const ESCAPES: readonly Buffer[] = [
  '..',
  '../',
  '../..',
  '/..',
  '/../..',
  '../secret.txt',
  '/../secret.txt',
  '../../secret.txt',
  '/a/../../secret.txt',
  '/a/b/../../../secret.txt',
  '//../secret.txt',
  '/..//..//secret.txt',
  '/./../secret.txt',
  '/.../secret.txt',
  '..\\secret.txt',
  '\\..\\secret.txt',
  '/..\\..\\secret.txt',
  'C:\\secret.txt',
  '%2e%2e/secret.txt',
  '/%2e%2e%2fsecret.txt',
  '..%c0%afsecret.txt',
  '/bob/private.txt',
  '../bob/private.txt',
  '/../bob/private.txt',
  '/../alice2/private.txt',
  '~/../secret.txt',
  '~bob/private.txt',
  '/link-to-secret',
  '/link-to-outside/secret.txt',
  '/link-to-outside',
  '/link-to-link/secret.txt',
  '/absolute-link',
  '/dangling',
  '/inside/up/secret.txt',
  '/link-to-outside/../secret.txt',
  '/proc/self/environ',
  '/etc/passwd',
].map(path => Buffer.from(path)); // prettier-ignore

/** Paths that are no paths: each must be refused by every request. */
const BROKEN: readonly (readonly [name: string, path: Buffer])[] = [
  ['a NUL inside', Buffer.from('/a\0b')],
  ['a NUL at the end', Buffer.from('/secret\0')],
  ['a NUL before an ending', Buffer.from('/a.txt\0.exe')],
  ['overlong dots', Buffer.from('/\xc0\xae\xc0\xae/secret.txt', 'latin1')],
  ['an overlong slash', Buffer.from('/..\xc0\xafsecret.txt', 'latin1')],
  ['bytes that are no UTF-8', Buffer.from('/\xff\xfe', 'latin1')],
  ['half a character', Buffer.from('/\xe2\x82', 'latin1')],
  ['a surrogate', Buffer.from('/\xed\xa0\x80', 'latin1')],
  ['a name of 256 bytes', Buffer.from(`/${'n'.repeat(256)}`)],
  ['a path of 5,000 bytes', Buffer.from(`/${'d/'.repeat(2_500)}`)],
  ['a name of 5,000 bytes', Buffer.from(`/${'n'.repeat(5_000)}`)],
];

/** Every request that takes a path. */
const REQUESTS: readonly (readonly [name: string, send: (client: RawSftp, path: Buffer) => Promise<Answer>])[] = [
  ['open to read', (client, path) => client.request(FXP.OPEN, string(path), u32(OPEN.READ), NO_ATTRS)],
  ['open to write', (client, path) => client.request(FXP.OPEN, string(path), u32(OPEN.WRITE | OPEN.CREATE), NO_ATTRS)],
  ['stat', (client, path) => client.request(FXP.STAT, string(path))],
  ['lstat', (client, path) => client.request(FXP.LSTAT, string(path))],
  ['setstat', (client, path) => client.request(FXP.SETSTAT, string(path), Buffer.concat([u32(4), u32(0o777)]))],
  ['opendir', (client, path) => client.request(FXP.OPENDIR, string(path))],
  ['readlink', (client, path) => client.request(FXP.READLINK, string(path))],
  ['mkdir', (client, path) => client.request(FXP.MKDIR, string(path), NO_ATTRS)],
  ['rename from', (client, path) => client.request(FXP.RENAME, string(path), string('/renamed'))],
  ['rename to', (client, path) => client.request(FXP.RENAME, string('/a/own.txt'), string(path))],
  [
    'posix-rename to',
    (client, path) => client.request(FXP.EXTENDED, string('posix-rename@openssh.com'), string('/a/own.txt'), string(path)),
  ],
  ['hardlink', (client, path) => client.request(FXP.EXTENDED, string('hardlink@openssh.com'), string(path), string('/linked'))],
  ['symlink to', (client, path) => client.request(FXP.SYMLINK, string(path), string('/made-link'))],
  ['remove', (client, path) => client.request(FXP.REMOVE, string(path))],
  ['rmdir', (client, path) => client.request(FXP.RMDIR, string(path))],
];

/** Tries to leave the root by every request and every spelling, with links planted on the disk. */
export async function checkPaths(report: Report, hub: HubProcess, account: Account): Promise<void> {
  const home = join(hub.files, account.user);
  await writeFile(join(hub.dataDirectory, 'secret.txt'), SECRET);
  await writeFile(join(hub.files, 'secret.txt'), SECRET);
  for (const neighbour of ['bob', `${account.user}2`]) {
    await mkdir(join(hub.files, neighbour), { recursive: true });
    await writeFile(join(hub.files, neighbour, 'private.txt'), SECRET);
  }
  const login = { port: hub.port, user: account.user, password: account.password ?? '' };

  await report.check('no request leaves the root by any spelling or planted link', async () => {
    let count = 0;
    for (const path of ESCAPES) {
      await plant(home, hub);
      const before = await snapshot(hub, account.user);
      const client = await RawSftp.connect(login);
      for (const [name, send] of REQUESTS) {
        const answer = await send(client, path);
        const shown = Buffer.concat([answer.body, await contentsOf(client, answer)]).toString('latin1');
        for (const revealed of [SECRET, hub.dataDirectory, 'private.txt']) {
          assert.ok(!shown.includes(revealed) || path.includes(revealed), `${name} ${path} reveals ${revealed}`);
        }
        count += 1;
      }
      client.end();
      assert.deepEqual(await snapshot(hub, account.user), before, `something outside of the root changed by ${path}`);
    }
    return `${count} requests`;
  });
  await report.check('paths that are none are refused by every request, and make nothing', async () => {
    await plant(home, hub);
    const client = await RawSftp.connect(login);
    let count = 0;
    for (const [what, path] of BROKEN) {
      for (const [name, send] of REQUESTS) {
        const answer = await send(client, path);
        assert.ok(answer.type === FXP.STATUS && answer.code !== STATUS.OK, `${name} with ${what}: answered ${answer.type}/${answer.code}`);
        count += 1;
      }
    }
    client.end();
    return `${count} requests`;
  });
  await report.check('one normal form', async () => {
    const client = await RawSftp.connect(login);
    const forms = {
      '': '/',
      '.': '/',
      '/': '/',
      '//': '/',
      '/a/..': '/',
      '/../../..': '/',
      'a//b/./c/../d': '/a/b/d',
      '/a/': '/a',
      './x': '/x',
      '/a\\b': '/a\\b',
    };
    for (const [path, normal] of Object.entries(forms)) {
      const answer = await client.request(FXP.REALPATH, string(path));
      assert.equal(answer.type, FXP.NAME, `realpath ${path}: ${answer.message}`);
      assert.equal(readString(answer.body, 4).toString(), normal, `realpath ${path}`);
    }
    client.end();
  });
}

async function contentsOf(client: RawSftp, answer: Answer): Promise<Buffer> {
  if (answer.type !== FXP.HANDLE) return Buffer.alloc(0);
  const handle = readString(answer.body, 0);
  const [data, names] = await Promise.all([
    client.request(FXP.READ, string(handle), u64(0), u32(1_000)),
    client.request(FXP.READDIR, string(handle)),
  ]);
  await client.close(handle);
  return Buffer.concat([data.body, names.body]);
}

/** Makes the home anew: a file, a folder, and links that an operator or another program might have left there. */
async function plant(home: string, hub: HubProcess): Promise<void> {
  for (const name of await readdir(home)) await rm(join(home, name), { recursive: true, force: true });
  await mkdir(join(home, 'a'), { recursive: true });
  await mkdir(join(home, 'inside'));
  await writeFile(join(home, 'a/own.txt'), 'own');
  await symlink('../secret.txt', join(home, 'link-to-secret'));
  await symlink('..', join(home, 'link-to-outside'));
  await symlink('link-to-outside', join(home, 'link-to-link'));
  await symlink(join(hub.dataDirectory, 'secret.txt'), join(home, 'absolute-link'));
  await symlink('../not-there.txt', join(home, 'dangling'));
  await symlink('../..', join(home, 'inside/up'));
}

/** What lies around the home: names, contents, modes and link targets. */
async function snapshot(hub: HubProcess, user: string): Promise<string[]> {
  const seen: string[] = [];
  for (const name of (await readdir(hub.files)).filter(name => name !== user && name !== '.entrepot')) {
    seen.push(name, ...(await readdir(join(hub.files, name)).catch(() => [])));
  }
  for (const file of [
    join(hub.files, 'secret.txt'),
    join(hub.dataDirectory, 'secret.txt'),
    join(hub.files, 'bob/private.txt'),
    join(hub.files, `${user}2/private.txt`),
  ]) {
    const target = await readlink(file).catch(() => 'no link');
    seen.push(
      `${file} ${target} ${createHash('sha256')
        .update(await readFile(file))
        .digest('hex')}`,
    );
  }
  return seen;
}
