import assert from 'node:assert/strict';
import { until } from '../support/children.js';
import { addWebhook, listDeliveries } from '../support/events.js';
import { HubProcess } from '../support/hub-process.js';
import { RawSftp } from '../support/raw-sftp.js';
import { Receiver } from '../support/receiver.js';
import type { AcceptScript } from './script.js';

const TYPE = 'upload.completed';

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
      const shown = await until('a delivery with four tries that is done', async () => {
        const all = await listDeliveries(hub);
        return all.find(({ tries, state }) => tries.length === 4 && state === 'succeeded');
      });
      assert.deepEqual(
        shown.tries.map(({ attempt, succeeded, summary }) => [attempt, succeeded, summary]),
        [
          [1, false, 'HTTP 500'],
          [2, false, 'HTTP 500'],
          [3, false, 'HTTP 500'],
          [4, true, 'HTTP 200'],
        ],
      );
      assert.ok(shown.tries.every(({ durationMs }) => durationMs >= 0));
      assert.deepEqual(
        shown.tries.map(({ answer }) => answer),
        ['not now', 'not now', 'not now', 'thank you'],
      );
    });
    await hub.stop();
    await receiver.close();
    await healthy.close();
  },
};

export default script;
