import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { ClientChannel } from 'ssh2';
import { splitCommand } from '#protocols/sftp/command-line.js';
import { run, temporaryFolder } from '../../support/children.js';
import { type Account, Clients } from '../../support/clients.js';
import { runCommand } from '../../support/exec.js';
import { connectSsh, type Login } from '../../support/raw-sftp.js';
import { tool } from '../../support/tools.js';
import { PASSWORD, type SftpTestOptions, startSftp } from './support.js';

/** OpenSSH's scp by its old protocol, in a home of its own; 'hub:' in an argument is the account. */
async function scpProgram(login: Login) {
  const clients = await Clients.create();
  const account: Account = { port: login.port, user: login.user, password: PASSWORD };
  return (...args: readonly string[]) => {
    const named = args.map(arg => arg.replace(/^hub:/, `${login.user}@127.0.0.1:`));
    return run(tool('scp'), ['-O', ...clients.sshOptions(account), '-P', String(login.port), ...named], {
      env: clients.environment(account),
    });
  };
}

test('splits commands by quotes and backslashes, and refuses what only a shell could do', t => {
  for (const [line, words] of [
    ['', []],
    ['  scp\t-t  . ', ['scp', '-t', '.']],
    [`md5sum 'a b'"c \\"d\\" \\x"\\ e ''`, ['md5sum', 'a bc "d" \\x e', '']],
    ["scp -f 'it'\\''s'", ['scp', '-f', "it's"]],
    ['md5sum "\n" *.txt ~', ['md5sum', '\n', '*.txt', '~']],
  ] as const)
    t.deepEqual(splitCommand(line), words, line);
  for (const line of ['a;b', 'a|b', 'a&b', 'a>b', 'a<b', '`a`', '$a', '"$a"', '"`a`"', 'a\nb', "'a", '"a', 'a\\', '(a)', 'a\0', '\ufffd'])
    t.throws(() => splitCommand(line), { code: 'invalid-request' }, line);
});

test('prints checksums as coreutils does, of files and of the input', async t => {
  const hub = await startSftp(t);
  const files = await hub.files('alice');
  const content = randomBytes(300_000);
  for (const name of ['/f', '/a b', '/back\\slash']) {
    const transfer = await files.open(name, { write: true, create: true });
    await transfer.write(content, 0);
    await transfer.close();
  }
  for (const algorithm of ['md5', 'sha1', 'sha256', 'sha384', 'sha512']) {
    const digest = createHash(algorithm).update(content).digest('hex');
    const several = await runCommand(hub.login, `${algorithm}sum f '/a b' ~/back\\\\slash absent`);
    t.is(several.stdout, `${digest}  f\n${digest}  /a b\n\\${digest}  ~/back\\\\slash\n`);
    t.is(several.stderr, `${algorithm}sum: absent: No such file or directory\n`);
    t.is(several.code, 1);
    const input = await runCommand(hub.login, `${algorithm}sum`, content);
    t.deepEqual([input.code, input.stdout], [0, `${digest}  -\n`]);
  }
});

test('answers cd and pwd', async t => {
  const { login, files } = await startSftp(t);
  await (await files('alice')).mkdir('/d');
  t.deepEqual(await runCommand(login, 'pwd'), { code: 0, stdout: '/\n', stderr: '' });
  t.is((await runCommand(login, 'cd')).code, 0);
  t.is((await runCommand(login, 'cd /d')).code, 0);
  t.deepEqual(await runCommand(login, 'cd /absent'), { code: 1, stdout: '', stderr: 'No such file or directory\n' });
});

test('runs nothing else, and nothing that the configuration leaves out: one line and status 1', async t => {
  const { login } = await startSftp(t, { sftp: { commands: ['pwd'] } });
  t.is((await runCommand(login, 'pwd')).code, 0);
  for (const command of ['id', 'sh -c id', 'md5sum f', 'scp -t .', '', 'pwd; id', '/bin/pwd', 'toString', 'scp']) {
    const { code, stdout, stderr } = await runCommand(login, command);
    t.deepEqual([code, stdout, stderr.split('\n').length], [1, '', 2], `${command}: ${stderr}`);
  }
});

for (const storage of ['memory', 'disk'] as const) {
  test(`scp -O puts and gets files and folders on ${storage}, times and modes by -p`, async t => {
    const hub = await startSftp(t, { storage });
    const scp = await scpProgram(hub.login);
    const [here, back] = [await temporaryFolder('scp'), await temporaryFolder('scp-back')];
    const tree = join(here, 'tree');
    await mkdir(join(tree, 'sub/deeper'), { recursive: true });
    const contents = {
      empty: Buffer.alloc(0),
      small: randomBytes(10),
      'big file': randomBytes(3_000_001),
      'sub/deeper/über': randomBytes(5_000),
    };
    for (const [name, content] of Object.entries(contents)) {
      await writeFile(join(tree, name), content, { mode: 0o600 });
      await utimes(join(tree, name), 1_500_000_000, 1_400_000_000);
    }
    const check = async (step: string, outcome: ReturnType<typeof scp>) => {
      const { code, output } = await outcome;
      t.is(code, 0, `${step}: ${output}`);
    };
    await check('put', scp('-r', '-p', tree, 'hub:'));
    await check('put under another name', scp(join(tree, 'small'), 'hub:renamed'));
    await check('get', scp('-r', '-p', 'hub:tree', back));
    await check('get one', scp('hub:/renamed', back));
    for (const [name, content] of Object.entries(contents)) {
      t.true((await readFile(join(back, 'tree', name))).equals(content), name);
      const { mtimeMs, mode } = await stat(join(back, 'tree', name));
      t.deepEqual([mtimeMs, mode & 0o777], [1_400_000_000_000, 0o600], name);
    }
    t.true((await readFile(join(back, 'renamed'))).equals(contents.small));
    const uploads = hub.events.filter(event => event.type === 'upload.completed').map(event => (event.data as { path: string }).path);
    t.deepEqual(uploads.sort(), ['/renamed', '/tree/big file', '/tree/empty', '/tree/small', '/tree/sub/deeper/über']);
    t.is(hub.events.filter(event => event.type === 'download.completed').length, 5);
  });
}

test('scp goes on after what fails, tells of it, and its status is 1', async t => {
  const hub = await startSftp(t, { storage: 'disk' });
  const scp = await scpProgram(hub.login);
  const folder = await temporaryFolder('scp');
  for (const name of ['a', 'b']) await writeFile(join(folder, name), name);
  t.is((await scp(join(folder, 'a'), join(folder, 'b'), 'hub:')).code, 0);
  const absent = await scp('hub:absent', folder);
  t.is(absent.code, 1);
  t.regex(absent.output, /scp: (\/)?absent: No such file or directory/);
  t.is((await scp('-r', folder, 'hub:a')).code, 1, 'a file is no place for a folder');
  const directory = await scp('hub:/', folder);
  t.is(directory.code, 1);
  t.regex(directory.output, /Not a file/);
  const missing = await scp(join(folder, 'a'), join(folder, 'b'), 'hub:nowhere');
  t.is(missing.code, 1);
  t.regex(missing.output, /Not a directory/);
});

/** What the sink answers to raw records, byte for byte. */
async function sink(t: ExecutionContext, options: SftpTestOptions, command: string, records: string) {
  const hub = await startSftp(t, options);
  const files = await hub.files('alice');
  await files.mkdir('/in');
  const { code, stdout } = await runCommand(hub.login, command, Buffer.from(records, 'latin1'));
  const found: string[] = [];
  for await (const batch of files.list('/')) found.push(...batch.map(({ name }) => name));
  for await (const batch of files.list('/in')) found.push(...batch.map(({ name }) => `in/${name}`));
  return { hub, code, stdout, found: found.sort().join() };
}

test('scp refuses names that lead elsewhere, long records, and what breaks the protocol', async t => {
  for (const record of [
    'C0644 1 ../f\nx\0',
    'C0644 1 a/f\nx\0',
    'C0644 1 ..\nx\0',
    'C0644 1 .\nx\0',
    'C0644 1 \nx\0',
    'D0755 0 ..\n',
    'D0755 0 a/b\n',
    'C0644 1 \xff\nx\0',
    'C0644 -1 f\nx\0',
    'C0644 99999999999999999999 f\nx\0',
    'C9999 1 f\nx\0',
    'E\n',
    'T1 0 x 0\n',
    'hello\n',
    `C0644 1 ${'x'.repeat(70_000)}`,
    `${'\x01'}${'x'.repeat(70_000)}`,
  ]) {
    const { code, stdout, found } = await sink(t, {}, 'scp -r -t /in', record);
    t.is(code, 1, record.slice(0, 20));
    t.regex(stdout, /^\0\x02scp: protocol: [^\n]+\n$/, record.slice(0, 20));
    t.is(found, 'in', record.slice(0, 20));
  }
});

test('scp publishes nothing of a file that was cut off, or that the other end could not read', async t => {
  const cut = await sink(t, {}, 'scp -t /in', 'C0644 10 f\nhalf');
  t.deepEqual([cut.code, cut.found], [1, 'in']);
  const unread = await sink(t, {}, 'scp -t /in', 'C0644 4 f\nhalf\x01scp: read error\nC0644 2 g\nok\0');
  t.deepEqual([unread.code, unread.found], [1, 'in,in/g']);
  t.is((await unread.hub.event('upload.failed')).data.path, '/in/f');
  t.is((await unread.hub.event('upload.completed')).data.path, '/in/g');
});

test('scp takes the rights of an upload and of a download', async t => {
  const permissions = (...rights: string[]) =>
    ({ users: { alice: { password: PASSWORD, permissions: { '/': rights, '/in': rights } } } }) as SftpTestOptions;
  const make = ['create-directories', 'list'];
  const deny = async (rights: string[], records: string, letters = '-r') =>
    sink(t, permissions(...rights), `scp ${letters} -t /in`, records);
  const denied = await deny([...make, 'overwrite', 'download'], 'C0644 1 f\n');
  t.deepEqual([denied.code, denied.found], [1, 'in']);
  t.true(denied.stdout.endsWith('\x01scp: /in/f: Permission denied\n'));
  const twice = await deny([...make, 'upload'], 'C0644 1 f\nx\0C0644 1 f\n');
  t.deepEqual([twice.code, twice.found], [1, 'in,in/f']);
  t.true(twice.stdout.endsWith('\x01scp: /in/f: Permission denied\n'));
  const untimed = await deny([...make, 'upload'], 'T1 0 1 0\nC0644 1 f\nx\0', '-p');
  t.deepEqual([untimed.code, untimed.found], [1, 'in,in/f'], 'the file is kept, and the client told of its times');
  const unread = await runCommand(denied.hub.login, 'scp -f /absent', '\0');
  t.deepEqual([unread.code, unread.stdout], [1, '\x01scp: /absent: No such file or directory\n']);
});

test('scp -d wants a directory, and only one end may be asked for', async t => {
  const { login } = await startSftp(t);
  t.is((await runCommand(login, 'scp -d -t /absent')).stdout, '\x01scp: /absent: Not a directory\n');
  for (const command of ['scp', 'scp -t', 'scp -f', 'scp -t -f a', 'scp -t a b', 'scp -S x -t a', 'scp a b']) {
    const { code, stderr } = await runCommand(login, command);
    t.deepEqual([code, stderr.split('\n').length], [1, 2], command);
  }
});

test('a client that leaves in the middle of scp leaves nothing behind', async t => {
  const hub = await startSftp(t);
  const ssh = await connectSsh(hub.login);
  const channel = await new Promise<ClientChannel>((resolve, reject) =>
    ssh.exec('scp -t /', (error, opened) => (error ? reject(error) : resolve(opened))),
  );
  // One byte says that scp runs, and one that the file is wanted; they may come together.
  let answered = 0;
  const isWanted = new Promise<void>(resolve =>
    channel.on('data', ({ length }: Buffer) => {
      answered += length;
      if (answered >= 2) resolve();
    }),
  );
  channel.write('C0644 1000000 f\n');
  channel.write(randomBytes(500_000));
  await isWanted;
  ssh.destroy();
  t.is((await hub.event('upload.failed')).data.path, '/f');
  const names: string[] = [];
  for await (const batch of (await hub.files('alice')).list('/')) names.push(...batch.map(({ name }) => name));
  t.deepEqual(names, []);
});
