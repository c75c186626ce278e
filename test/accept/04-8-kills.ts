import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { type ClientRequest, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '../support/children.js';
import { logIn, startWebProcess } from '../support/web-process.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'correct-horse';
const SIZE = 8 * 1_048_576;
const CUTS = [0, 1, 1_000, 65_535, 65_536, 65_537, 1_000_000, 4_194_304, SIZE - 1, SIZE];

const script: AcceptScript = {
  id: '04.8',
  title: 'an upload over HTTP that is cut off, or whose hub is killed, publishes nothing; one that was answered is there',
  async run(report, scale) {
    const dataDirectory = await temporaryFolder('data');
    let { hub, base } = await startWebProcess({ dataDirectory });
    await hub.addUser('alice', PASSWORD);
    const content = randomBytes(SIZE);
    const digest = `sha-256=:${createHash('sha256').update(content).digest('base64')}:`;
    const files = async () => (await readdir(join(hub.files, 'alice'))).filter(name => !name.startsWith('.'));
    const uploads = async () => (await hub.json<{ total: number }>(['events', 'list', '--type', 'upload.completed'])).total;

    await report.check(`a body of ${SIZE} bytes that is cut at ${CUTS.length} sizes, of announced length and in chunks`, async () => {
      const { cookie } = await logIn(base, 'user', 'alice', PASSWORD);
      for (const size of CUTS) {
        // Whole, and one byte more announced than comes.
        await cut(begin(base, cookie!, `/length-${size}`, { 'content-length': SIZE + 1 }), content.subarray(0, size));
        await cut(begin(base, cookie!, `/chunked-${size}`, { 'transfer-encoding': 'chunked' }), content.subarray(0, size));
      }
      await sleep(500);
      assert.deepEqual(await files(), []);
      assert.equal(await uploads(), 0);
      return `${CUTS.length * 2} cut, 0 published`;
    });

    const rounds = scale === 'full' ? 30 : 5;
    await report.check(`kill -9 in the middle of ${rounds} uploads, the one before answered`, async () => {
      for (let round = 0; round < rounds; round++) {
        const alice = await logIn(base, 'user', 'alice', PASSWORD);
        const done = await alice.raw('PUT', `/files/content?path=/done-${round}`, { body: content, headers: { 'repr-digest': digest } });
        assert.equal(done.status, 201);
        const upload = begin(base, alice.cookie!, `/killed-${round}`, { 'content-length': SIZE });
        upload.on('error', () => undefined);
        upload.write(content.subarray(0, SIZE - 1));
        await sleep(20 + Math.random() * 80);
        await hub.kill();
        ({ hub, base } = await startWebProcess({ dataDirectory }));
      }
      const wanted = Array.from({ length: rounds }, (_, round) => `done-${round}`).sort();
      assert.deepEqual((await files()).sort(), wanted);
      assert.equal(await uploads(), rounds);
      const alice = await logIn(base, 'user', 'alice', PASSWORD);
      for (const name of wanted) {
        const got = Buffer.from(await (await alice.raw('GET', `/files/content?path=/${name}`)).arrayBuffer());
        assert.ok(got.equals(content), name);
      }
      return `${rounds} killed, 0 published; ${rounds} answered, all whole, each with its event`;
    });
    await hub.stop();
  },
};

function begin(base: string, cookie: string, path: string, headers: Readonly<Record<string, string | number>>): ClientRequest {
  return request(`${base}/api/v1/files/content?path=${encodeURIComponent(path)}`, {
    method: 'PUT',
    headers: { cookie, 'sec-fetch-site': 'same-origin', ...headers },
  });
}

/** Sends part of a body and cuts the connection once that is on its way. */
async function cut(upload: ClientRequest, part: Buffer): Promise<void> {
  upload.on('error', () => undefined);
  const closed = new Promise<void>(resolve => upload.on('close', resolve));
  if (part.length === 0) upload.flushHeaders();
  else await new Promise<void>(resolve => upload.write(part, () => resolve()));
  await sleep(30);
  upload.destroy();
  await closed;
}

export default script;
