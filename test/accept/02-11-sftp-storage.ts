import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder, until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { listEvents } from '../support/events.js';
import { freePort } from '../support/free-port.js';
import { HubProcess } from '../support/hub-process.js';
import { oddNames } from '../support/odd-names.js';
import { FXP, OPEN, RawSftp, string, u64 } from '../support/raw-sftp.js';
import { Sshd } from '../support/sshd.js';
import type { AcceptScript, Report } from './script.js';

const PASSWORD = 'secret';
const MEBIBYTE = 2 ** 20;

const script: AcceptScript = {
  id: '02.11',
  title: 'another SFTP server is a storage: pinned, whole or absent, and back by itself after an outage',
  async run(report, scale) {
    const clients = await Clients.create();
    const content = randomBytes((scale === 'full' ? 512 : 32) * MEBIBYTE);
    const file = join(clients.home, 'large.bin');
    await writeFile(file, content);

    // The server behind is killed and started again on the same port.
    const behindEnv = { ENTREPOT_PROTOCOLS__SFTP__PORT: String(await freePort()) };
    let behind = await HubProcess.start({ env: behindEnv });
    await behind.addUser('store', PASSWORD);
    const front = await HubProcess.start();
    const options = { host: '127.0.0.1', port: `${behind.port}`, username: 'store' };
    const shown = await checkHostKey(report, front, options);
    await report.check('`storage add` with the pinned key works, and shows no password', async () => {
      const chosen = { ...options, hostKey: shown, connectTimeout: '3s', requestTimeout: '5s' };
      await front.json(['storage', 'add', 'remote', ...flags(chosen), '--option-file', 'password=-'], `${PASSWORD}\n`);
      const printed = await front.cli(['storage', 'show', 'remote']);
      assert.match(printed.output, /\(hidden\)/);
      assert.ok(!printed.output.includes(PASSWORD), printed.output);
      assert.equal((await front.cli(['storage', 'test', 'remote'])).code, 0);
    });
    await front.addUser('bob', PASSWORD, ['--home', 'remote:/bob']);
    await front.addUser('alice', PASSWORD);
    const [bob, alice] = ['bob', 'alice'].map(user => ({ port: front.port, user, password: PASSWORD })) as [Login, Login];

    await report.check(
      "OpenSSH's sftp puts and gets through the hub, the server behind has the bytes, and there is the event",
      async () => {
        const began = performance.now();
        const put = await clients.sftp(bob, [`put ${file} /large.bin`]);
        assert.equal(put.code, 0, put.output);
        const putMs = performance.now() - began;
        assert.ok(content.equals(await readFile(join(behind.files, 'store/bob/large.bin'))));
        const got = await clients.sftp(bob, [`get /large.bin ${clients.home}/got.bin`]);
        assert.equal(got.code, 0, got.output);
        assert.equal(sha256(await readFile(join(clients.home, 'got.bin'))), sha256(content));
        const [event] = await listEvents(front, 'upload.completed');
        assert.deepEqual([event?.data.path, event?.data.size], ['/large.bin', content.length]);
        const rate = (bytes: number, ms: number) => `${Math.round(bytes / MEBIBYTE / (ms / 1000))} MiB/s`;
        return `put ${rate(content.length, putMs)}, get ${rate(content.length, performance.now() - began - putMs)}`;
      },
    );

    await report.check('while the server behind is dead its users are told, others are served, and it comes back by itself', async () => {
      const writer = await RawSftp.connect(bob);
      const handle = await writer.open('/large.bin', OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
      await writer.request(FXP.WRITE, string(handle), u64(0), string(Buffer.alloc(30_000)));
      await behind.kill();
      const began = performance.now();
      await assert.rejects(writer.put('/new.txt', Buffer.from('x')), /SFTP server/);
      const toldMs = performance.now() - began;
      assert.notEqual((await writer.close(handle)).code, 0, 'an upload that the server never had is acknowledged');
      const other = await RawSftp.connect(alice);
      await other.put('/served.txt', Buffer.from('x'));
      behind = await HubProcess.start({ env: behindEnv, dataDirectory: behind.dataDirectory });
      const back = performance.now();
      await until('the storage is back', () =>
        writer.put('/back.txt', Buffer.from('x')).then(
          () => true,
          () => false,
        ),
      );
      assert.equal(sha256(await writer.get('/large.bin')), sha256(content), 'the old file is not whole');
      other.end();
      writer.end();
      return `told after ${Math.round(toldMs)} ms, back ${Math.round(performance.now() - back)} ms after the server`;
    });

    await checkOpenSsh(report, front, clients, scale === 'full' ? 200 : 50);
    await report.check('the hub starts and serves while the server behind is dead', async () => {
      assert.equal(await front.stop(), 0);
      await behind.kill();
      const again = await HubProcess.start({ dataDirectory: front.dataDirectory });
      const client = await RawSftp.connect({ ...alice, port: again.port });
      await client.put('/still.txt', Buffer.from('x'));
      client.end();
      const tested = await again.cli(['storage', 'test', 'remote']);
      assert.equal(tested.code, 1);
      assert.match(tested.output, /refuses connections/);
      assert.equal(await again.stop(), 0);
      return `started in ${Math.round(again.startedInMs)} ms`;
    });
  },
};

type Login = { readonly port: number; readonly user: string; readonly password: string };

/** Tries a wrong key; gives the one that the server shows, as the refusal names it. */
async function checkHostKey(report: Report, hub: HubProcess, options: Readonly<Record<string, string>>): Promise<string> {
  const wrong = `SHA256:${createHash('sha256').update('another server').digest('base64').replace('=', '')}`;
  let shown = '';
  await report.check('another host key than the pinned one is refused, and both are named', async () => {
    const refused = await hub.cli(['storage', 'add', 'wrong', ...flags({ ...options, hostKey: wrong })]);
    assert.notEqual(refused.code, 0);
    assert.ok(refused.output.includes(wrong), refused.output);
    shown = refused.output.match(/SHA256:[A-Za-z0-9+/]{43}/g)?.find(one => one !== wrong) ?? '';
    assert.notEqual(shown, '', refused.output);
    return refused.output.trim();
  });
  return shown;
}

/** The same on OpenSSH's server, with a key in place of a password, and names of all kinds. */
async function checkOpenSsh(report: Report, hub: HubProcess, clients: Clients, count: number): Promise<void> {
  await report.check("OpenSSH's server as a storage keeps odd names byte for byte", async () => {
    const sshd = await Sshd.start(clients);
    try {
      const root = await temporaryFolder('openssh-root');
      const { port, user, keyFile } = sshd.account;
      const options = flags({ host: '127.0.0.1', port: `${port}`, username: user, hostKey: 'any', root });
      await hub.json(['storage', 'add', 'openssh', ...options, '--option-file', `privateKey=${keyFile}`]);
      await hub.addUser('carol', PASSWORD, ['--home', 'openssh:/']);
      const carol = await RawSftp.connect({ port: hub.port, user: 'carol', password: PASSWORD });
      const names = oddNames(count);
      for (const name of names) {
        await carol.put(`/${name}`, Buffer.from(name));
        assert.equal(await readFile(join(root, name), 'utf8'), name);
        assert.equal((await carol.get(`/${name}`)).toString(), name);
      }
      const listed = (await carol.list('/')).map(String);
      assert.deepEqual(listed.sort(), [...names].sort());
      carol.end();
      return `${names.length} names`;
    } finally {
      await sshd.stop();
    }
  });
}

function flags(options: Readonly<Record<string, string>>): string[] {
  return ['--kind', 'sftp', ...Object.entries(options).flatMap(([option, value]) => ['--option', `${option}=${value}`])];
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export default script;
