import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder, until } from '../support/children.js';
import { listEvents } from '../support/events.js';
import { FtpClient } from '../support/ftp-client.js';
import { ftpLogin, startFtpHub } from '../support/ftp-hub.js';
import { killLoop } from './kill-harness.js';
import type { AcceptScript } from './script.js';

const BYTES = 4 * 2 ** 20;
const OLD = Buffer.from('what was there before');

/** How far an upload has come when the hub is killed: a part of its bytes, or what comes after them. */
const POINTS = ['announced', 'connected', 0.01, 0.25, 0.5, 0.75, 0.99, 'sent', 'ended', 'acknowledged'] as const;

const script: AcceptScript = {
  id: '03.6',
  title: 'kill -9 while FTP uploads run',
  async run(report, scale) {
    const rounds = scale === 'full' ? 5 : 1;
    await report.check(`ten points of an upload, ${rounds * POINTS.length} rounds: the old file or the new one, whole`, () =>
      atPoints(rounds),
    );
    const plan = scale === 'full' ? { kills: 50, acknowledged: 500 } : { kills: 4, acknowledged: 40 };
    await report.check('random moments under load: nothing that was acknowledged is lost, and every event is true', async () => {
      const { kills, acknowledged, unheard, deliveries, ...wrong } = await killLoop({ ...plan, quietMs: 20_000, protocol: 'ftp' });
      assert.deepEqual(wrong, Object.fromEntries(Object.keys(wrong).map(name => [name, 0])));
      return `${kills} kills, ${acknowledged} acknowledged, ${unheard} done but unheard, ${deliveries} deliveries`;
    });
  },
};

async function atPoints(rounds: number): Promise<string> {
  const dataDirectory = await temporaryFolder('killed');
  let hub = await startFtpHub({}, { dataDirectory });
  await hub.addUser('alice', 'correct-horse');
  const seen = { old: 0, new: 0 };
  for (let round = 0; round < rounds * POINTS.length; round++) {
    const point = POINTS[round % POINTS.length]!;
    const name = `file-${round}`;
    const content = Buffer.alloc(BYTES + round, `${name} `);
    const client = await FtpClient.connect(ftpLogin(hub, 'alice', round % 3 === 0 ? 'explicit' : 'none'));
    assert.equal((await client.send(`STOR ${name}`, OLD)).code, 226);
    const acknowledged = await uploadUntil(client, point, name, content);
    await hub.kill();
    client.close();
    hub = await startFtpHub({}, { dataDirectory });
    const found = await readFile(join(hub.files, 'alice', name));
    assert.ok(found.equals(content) || found.equals(OLD), `${point}: ${found.length} bytes are there`);
    const isNew = found.equals(content);
    if (acknowledged) assert.ok(isNew, `${point}: acknowledged, and not there`);
    if (typeof point === 'number' || point === 'announced' || point === 'connected') assert.ok(!isNew, `${point}: there too early`);
    seen[isNew ? 'new' : 'old'] += 1;
    const told = async () => {
      const events = await listEvents(hub, 'upload.completed', `/${name}`);
      return events.filter(({ data }) => data.size === content.length).length === (isNew ? 1 : 0);
    };
    await until(`${point}: the event is ${isNew ? '' : 'not '}there`, told, 10_000);
  }
  await hub.stop();
  return `${seen.new} new, ${seen.old} old`;
}

/** Goes with an upload as far as a point; gives whether it was acknowledged. */
async function uploadUntil(client: FtpClient, point: (typeof POINTS)[number], name: string, content: Buffer): Promise<boolean> {
  if (point === 'acknowledged') return (await client.send(`STOR ${name}`, content)).code === 226;
  const port = await client.dataSocket();
  assert.equal((await client.command(`STOR ${name}`)).code, 150);
  if (point === 'announced') return false;
  const stream = client.isSecure ? await client.protect(port) : port;
  stream.resume();
  if (point === 'connected') return false;
  const part = typeof point === 'number' ? content.subarray(0, content.length * point) : content;
  await new Promise(sent => stream.write(part, sent));
  if (point === 'ended') stream.end();
  return false;
}

export default script;
