import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { makeSelfSigned } from '#core/tls/self-signed.js';
import { temporaryFolder, until } from '../support/children.js';
import { FtpClient } from '../support/ftp-client.js';
import { ftpLogin, startFtpHub } from '../support/ftp-hub.js';
import type { HubProcess } from '../support/hub-process.js';
import type { AcceptScript, Report } from './script.js';

const DAY_MS = 86_400_000;
const SWAP_LIMIT_MS = 2_000;

const script: AcceptScript = {
  id: '03.3',
  title: 'certificates are chosen by name and replaced while clients work',
  async run(report, scale) {
    const folder = await temporaryFolder('certificates');
    const files: string[] = [];
    for (const name of ['one.example', '*.two.example', 'three.example']) files.push(await replace(folder, name, `${files.length}.pem`));
    const hub = await startFtpHub({ ENTREPOT_TLS__CERTIFICATES: JSON.stringify(files.map(certificate => ({ certificate }))) });
    await hub.addUser('alice', 'correct-horse');
    await report.check('SNI chooses between three names', async () => {
      for (const [asked, shown] of [
        ['one.example', 'one.example'],
        ['deep.two.example', '*.two.example'],
        ['three.example', 'three.example'],
        ['unknown.example', 'one.example'],
      ])
        assert.equal(await shownTo(hub, asked), shown, asked);
    });
    await underLoad(report, hub, folder, scale === 'full' ? 20 : 5);
    await report.check('a broken file changes nothing, and the log says what is wrong', async () => {
      const before = await shownTo(hub, 'one.example');
      const file = join(folder, '0.pem');
      await writeFile(`${file}.new`, '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n');
      await rename(`${file}.new`, file);
      await until('the log names the file', () => hub.log.includes('0.pem'), 5_000);
      assert.equal(await shownTo(hub, 'one.example'), before);
      const line = hub.log.split('\n').find(text => text.includes('0.pem'));
      return (JSON.parse(line ?? '{}') as { readonly reason?: string }).reason;
    });
    await hub.stop();
  },
};

/** Downloads go on while the certificate is replaced again and again; each new one is shown within two seconds. */
async function underLoad(report: Report, hub: HubProcess, folder: string, swaps: number): Promise<void> {
  await report.check(`a certificate is replaced ${swaps} times: downloads go on, and the next connection shows the new one`, async () => {
    const content = Buffer.alloc(64 * 2 ** 20, 'content');
    const first = await FtpClient.connect(ftpLogin(hub, 'alice', 'explicit'));
    assert.equal((await first.send('STOR big', content)).code, 226);
    const data = await first.dataSocket();
    assert.equal((await first.command('RETR big')).code, 150);
    const held = (await first.protect(data)).pause();
    let stopped = false;
    let rounds = 0;
    const busy = async () => {
      const client = await FtpClient.connect(ftpLogin(hub, 'alice', 'explicit'));
      for (; !stopped; rounds++) {
        const { reply, data: got } = await client.fetch('RETR big');
        assert.equal(reply.code, 226);
        assert.equal(got.length, content.length);
      }
      client.close();
    };
    const working = Promise.all([busy(), busy()]);
    const times: number[] = [];
    for (let swap = 0; swap < swaps; swap++) {
      const name = `swap-${swap}.example`;
      await replace(folder, name, '0.pem');
      const began = performance.now();
      await until('the new certificate is shown', async () => (await shownTo(hub, undefined)) === name, 10_000);
      times.push(performance.now() - began);
    }
    stopped = true;
    await working;
    let bytes = 0;
    for await (const chunk of held) bytes += (chunk as Buffer).length;
    assert.equal((await first.reply()).code, 226);
    assert.equal(bytes, content.length);
    const slowest = Math.max(...times);
    assert.ok(slowest <= SWAP_LIMIT_MS, `${slowest.toFixed(0)} ms`);
    first.close();
    return `shown after ${slowest.toFixed(0)} ms at most, ${rounds} downloads meanwhile; the one that was held ended whole`;
  });
}

/** The common name of the certificate that a new client is shown. */
async function shownTo(hub: HubProcess, servername: string | undefined): Promise<string> {
  const socket: TLSSocket = connectTls({
    host: '127.0.0.1',
    port: hub.portOf('ftp', true),
    rejectUnauthorized: false,
    ...(servername && { servername }),
  });
  socket.on('error', () => undefined);
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('close', () => reject(new Error('no handshake'))));
  const name = new X509Certificate(socket.getPeerCertificate().raw).subject.replace(/^.*CN=/s, '').split('\n')[0]!;
  socket.destroy();
  return name;
}

async function replace(folder: string, name: string, file: string): Promise<string> {
  const text = await makeSelfSigned({
    names: [name],
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + 90 * DAY_MS),
  });
  await writeFile(join(folder, `${file}.new`), text);
  await rename(join(folder, `${file}.new`), join(folder, file));
  return join(folder, file);
}

export default script;
