import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FtpClient } from '../support/ftp-client.js';
import { ftpLogin, startFtpHub } from '../support/ftp-hub.js';
import { FTP_ORDERS, type Step } from '../support/ftp-orders.js';
import type { HubProcess } from '../support/hub-process.js';
import type { AcceptScript } from './script.js';

const CONTENT = Buffer.alloc(300_000, 'the order of commands\n');

const script: AcceptScript = {
  id: '03.1.2',
  title: 'FileZilla and WinSCP are answered what they expect, command by command',
  async run(report) {
    const hub = await startFtpHub({ ENTREPOT_PROTOCOLS__FTP__SESSION_REUSE: 'require' });
    await hub.addUser('alice', 'correct-horse');
    for (const [name, { tls, steps }] of Object.entries(FTP_ORDERS)) {
      await report.check(name, async () => {
        await writeFile(join(hub.files, 'alice', 'there.bin'), CONTENT);
        const client = await FtpClient.connect({ ...ftpLogin(hub, 'alice', tls), bare: true });
        for (const step of steps) await take(client, step, tls !== 'none');
        client.close();
        await assertStored(hub);
        return `${steps.length} steps`;
      });
    }
    await hub.stop();
  },
};

/** Sends one command as the program does, and moves what it moves. */
async function take(client: FtpClient, [line, code, data]: Step, secure: boolean): Promise<void> {
  if (data === undefined) {
    const reply = await client.command(line);
    assert.equal(reply.code, code, `${line}: ${reply.text}`);
    if (line.startsWith('AUTH')) await client.startTls();
    return;
  }
  const [mode, what] = data;
  const socket = await client.dataSocket(undefined, mode);
  const first = await client.command(line);
  assert.equal(first.code, 150, `${line}: ${first.text}`);
  const stream = secure ? await client.protect(socket) : socket;
  if (what === 'rest') stream.end(CONTENT.subarray(100_000));
  else if (what === 'first') stream.end(CONTENT.subarray(0, 100_000));
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  stream.end();
  const reply = await client.reply();
  assert.equal(reply.code, code, `${line}: ${reply.text}`);
  const got = Buffer.concat(chunks);
  if (what instanceof RegExp) assert.match(got.toString(), what, line);
  if (what === 'get') assert.ok(got.equals(CONTENT), `${line}: ${got.length} bytes`);
  if (what === 'get rest') assert.ok(got.equals(CONTENT.subarray(100_000)), `${line}: ${got.length} bytes`);
}

/** What every order leaves: one file, sent in two parts, whose time was set. */
async function assertStored(hub: HubProcess): Promise<void> {
  const file = join(hub.files, 'alice', 'kept.bin');
  assert.ok((await readFile(file)).equals(CONTENT), 'the content differs');
  assert.equal((await stat(file)).mtime.toISOString(), '2024-02-29T12:34:56.000Z');
}

export default script;
