import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { run } from '../../support/children.js';
import { programFor, tool } from '../../support/tools.js';
import { PASSWORD, startFtpHub } from './support.js';

const CONTENT = randomBytes(3_000_000);

type Tls = 'none' | 'explicit' | 'implicit';

async function prepare(t: ExecutionContext, tls: Tls) {
  const hub = await startFtpHub(t, { tls: tls === 'none' ? 'optional' : 'required', implicitPort: 0 }, { storage: 'disk' });
  const [explicit, implicit] = hub.hub.listeners.filter(({ protocol }) => protocol === 'ftp');
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-ftp-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'big'), CONTENT);
  await writeFile(join(folder, 'empty'), '');
  return { hub, folder, port: (tls === 'implicit' ? implicit : explicit)!.port };
}

for (const tls of ['none', 'explicit', 'implicit'] as const) {
  test(`curl puts, gets, resumes, lists and asks for sizes, TLS: ${tls}`, async t => {
    const curl = programFor(t, 'curl');
    if (!curl) return;
    const { folder, port } = await prepare(t, tls);
    const url = `${tls === 'implicit' ? 'ftps' : 'ftp'}://127.0.0.1:${port}/`;
    const common = ['-q', '-sS', '-k', '-u', `alice:${PASSWORD}`, ...(tls === 'explicit' ? ['--ssl-reqd'] : []), '--ftp-create-dirs'];
    const ask = async (...args: string[]) => {
      const { code, output } = await run(curl, [...common, ...args]);
      t.is(code, 0, output);
      return output;
    };
    for (const name of ['big', 'empty']) {
      await ask('-T', join(folder, name), `${url}a/b/${name}`);
      await ask('-o', join(folder, `got-${name}`), `${url}a/b/${name}`);
      t.true((await readFile(join(folder, `got-${name}`))).equals(await readFile(join(folder, name))), name);
    }
    await writeFile(join(folder, 'got-big'), CONTENT.subarray(0, 1_000_000));
    await ask('-C', '-', '-o', join(folder, 'got-big'), `${url}a/b/big`);
    t.true((await readFile(join(folder, 'got-big'))).equals(CONTENT));
    t.regex(await ask(`${url}a/b/`), / 3000000 .* big/);
    await ask('-T', join(folder, 'big'), '-a', `${url}a/b/empty`);
    t.regex(await ask('-I', `${url}a/b/empty`), /Content-Length: 3000000/);
    await ask('-Q', '-RNFR a/b/big', '-Q', '-RNTO a/moved', `${url}`);
    t.regex(await ask('-l', `${url}a/`), /moved/);
  });

  test(`lftp mirrors a tree there and back, TLS: ${tls}`, async t => {
    const lftp = programFor(t, 'lftp');
    if (!lftp) return;
    const { folder, port } = await prepare(t, tls);
    await mkdir(join(folder, 'tree', 'with space', 'ü"quote'), { recursive: true });
    await Promise.all(
      Array.from({ length: 40 }, (_, index) => writeFile(join(folder, 'tree', 'with space', `${index}`), randomBytes(index * 100))),
    );
    await writeFile(join(folder, 'tree', 'with space', 'ü"quote', 'x; y & z'), CONTENT);
    const script = [
      'set cmd:fail-exit yes',
      'set net:max-retries 1',
      'set net:timeout 20',
      'set ssl:verify-certificate no',
      `set ftp:ssl-force ${tls !== 'none'}`,
      'set ftp:ssl-protect-data yes',
      `open -u alice,"${PASSWORD}" -p ${port} ${tls === 'implicit' ? 'ftps' : 'ftp'}://127.0.0.1`,
      `mirror -R --parallel=8 "${folder}/tree" tree`,
      `mirror --parallel=4 tree "${folder}/back"`,
      'mkdir d; mv tree/with\\ space/1 d/one; rm d/one; rmdir d',
    ].join('\n');
    await writeFile(join(folder, 'script'), `${script}\n`);
    const done = await run(lftp, ['--norc', '-f', join(folder, 'script')], { env: { ...process.env, HOME: folder, LC_ALL: 'C.UTF-8' } });
    t.is(done.code, 0, done.output);
    const compared = await run(tool('diff'), ['-r', join(folder, 'tree'), join(folder, 'back')]);
    t.is(compared.code, 0, compared.output);
  });

  test(`Python's ftplib does all that it can, TLS: ${tls}`, async t => {
    const python = programFor(t, 'python3');
    if (!python) return;
    const { hub, folder, port } = await prepare(t, tls);
    const open =
      tls === 'none'
        ? ['f = ftplib.FTP()', 'f.connect("127.0.0.1", port)']
        : tls === 'explicit'
          ? ['f = ftplib.FTP_TLS(context=ctx)', 'f.connect("127.0.0.1", port)']
          : ['f = Implicit(context=ctx)', 'f.connect("127.0.0.1", port)'];
    const script = `
import ftplib, io, ssl
port = ${port}
ctx = ssl.create_default_context(); ctx.check_hostname = False; ctx.verify_mode = ssl.CERT_NONE
class Implicit(ftplib.FTP_TLS):
    def connect(self, host, port):
        import socket
        self.host, self.port = host, port
        self.sock = self.context.wrap_socket(socket.create_connection((host, port)))
        self.af = self.sock.family
        self.file = self.sock.makefile('r', encoding='utf-8')
        self.welcome = self.getresp()
    def login(self, *args): return ftplib.FTP.login(self, *args)
${open.join('\n')}
f.login('alice', '${PASSWORD}')
${tls === 'none' ? '' : 'f.prot_p()'}
content = open(${JSON.stringify(join(folder, 'big'))}, 'rb').read()
f.mkd('d'); f.cwd('d')
assert f.pwd() == '/d', f.pwd()
assert f.storbinary('STOR x', io.BytesIO(content)).startswith('226')
f.voidcmd('TYPE I')
assert f.size('x') == len(content)
parts = []
assert f.retrbinary('RETR x', parts.append).startswith('226')
assert b''.join(parts) == content
parts = []
f.retrbinary('RETR x', parts.append, rest=1000000)
assert b''.join(parts) == content[1000000:]
f.storbinary('STOR x', io.BytesIO(content[2000000:]), rest=2000000)
f.storlines('STOR t', io.BytesIO(b'one\\ntwo\\n'))
lines = []
f.retrlines('RETR t', lines.append)
assert lines == ['one', 'two'], lines
assert sorted(f.nlst()) == ['t', 'x'], f.nlst()
assert dict(f.mlsd())['x']['size'] == str(len(content))
f.rename('x', 'y'); f.delete('y'); f.delete('t'); f.cwd('/'); f.rmd('d')
try: f.delete('nothing'); raise SystemExit('deleted nothing')
except ftplib.error_perm as e: assert str(e).startswith('550'), e
assert f.quit().startswith('221')
`;
    const file = join(folder, 'script.py');
    await writeFile(file, script);
    const done = await run(python, [file]);
    t.is(done.code, 0, done.output);
    t.true(hub.events.some(({ type }) => type === 'file.renamed'));
  });
}

test('rclone copies, checks and moves', async t => {
  const rclone = programFor(t, 'rclone');
  if (!rclone) return;
  const { folder, port } = await prepare(t, 'explicit');
  const pass = (await run(rclone, ['obscure', PASSWORD])).output.trim();
  const config = join(folder, 'rclone.conf');
  await writeFile(
    config,
    `[hub]\ntype = ftp\nhost = 127.0.0.1\nport = ${port}\nuser = alice\npass = ${pass}\nexplicit_tls = true\nno_check_certificate = true\n`,
  );
  await mkdir(join(folder, 'tree', 'deep'), { recursive: true });
  for (let index = 0; index < 20; index++) await writeFile(join(folder, 'tree', 'deep', `f ${index}`), randomBytes(1_000 + index));
  for (const args of [
    ['copy', join(folder, 'tree'), 'hub:tree'],
    ['check', '--download', join(folder, 'tree'), 'hub:tree'],
    ['moveto', 'hub:tree/deep/f 1', 'hub:tree/moved'],
    ['purge', 'hub:tree'],
  ]) {
    const done = await run(rclone, ['--config', config, '--retries', '1', ...args]);
    t.is(done.code, 0, `${args.join(' ')}: ${done.output}`);
  }
});
