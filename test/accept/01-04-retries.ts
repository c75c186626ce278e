import assert from 'node:assert/strict';
import { until } from '../support/children.js';
import { addWebhook, rows } from '../support/events.js';
import { HubProcess } from '../support/hub-process.js';
import { RawSftp } from '../support/raw-sftp.js';
import { Receiver } from '../support/receiver.js';
import type { AcceptScript } from './script.js';

const TYPE = 'upload.completed';

interface Shown {
  readonly state: string;
  readonly attempts: readonly {
    readonly attempt?: number;
    readonly status?: unknown;
    readonly durationMs?: number;
    readonly answer?: string;
  }[];
}

const script: AcceptScript = {
  id: '01.4',
  title: 'a receiver that fails three times gets the event on the fourth try',
  async run(report) {
    const receiver = await Receiver.listen(({ attempt }) => (attempt <= 3 ? 500 : 200));
    const healthy = await Receiver.listen();
    const hub = await HubProcess.start({ env: { ENTREPOT_EVENTS__RETRY: '["1s","1s","2s","5s"]' } });
    await hub.addUser('alice', 'secret');
    await addWebhook(hub, receiver, TYPE);
    await addWebhook(hub, healthy, TYPE);
    const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: 'secret' });
    await client.put('/report.csv', Buffer.from('a;b\n'));
    client.end();

    await report.check('the fourth try is taken, all with one id and right signatures', async () => {
      await until('the fourth try', () => receiver.received.length >= 4, 30_000);
      const ids = new Set(receiver.received.map(({ id }) => id));
      assert.equal(ids.size, 1);
      assert.deepEqual(
        receiver.received.map(({ status }) => status),
        [500, 500, 500, 200],
      );
      assert.ok(receiver.received.every(({ verified }) => verified));
      const [first, ...later] = receiver.received.map(({ at }) => at);
      return `tries after ${later.map(at => `${((at - first!) / 1000).toFixed(1)} s`).join(', ')}`;
    });
    await report.check('another target does not wait for the failing one', () => {
      assert.equal(healthy.received.length, 1);
      assert.ok(healthy.received[0]!.at < receiver.received[1]!.at, 'it was served after the first retry');
    });
    await report.check('`deliveries show` lists the four attempts', async () => {
      const shown = await until('a delivery with four attempts', async () => {
        const listed = rows<{ readonly id: string }>(await hub.json(['deliveries', 'list']));
        const all = await Promise.all(listed.map(({ id }) => hub.json<Shown>(['deliveries', 'show', id])));
        return all.find(({ attempts }) => attempts.length === 4);
      });
      const text = JSON.stringify(shown.attempts);
      assert.equal(text.match(/HTTP 500|:500/g)?.length, 3, `three attempts with 500 in ${text}`);
      assert.match(text, /HTTP 200|:200/);
      assert.match(text, /thank you/, 'the answer of the last');
      assert.ok(
        shown.attempts.every(attempt => typeof attempt.durationMs === 'number'),
        `a duration for each in ${text}`,
      );
      return `state ${shown.state}`;
    });
    await hub.stop();
    await receiver.close();
    await healthy.close();
  },
};

export default script;
