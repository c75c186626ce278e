import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { killLoop } from './kill-harness.js';
import type { AcceptScript } from './script.js';

const LOSSY_HUB = fileURLToPath(new URL('lossy-hub.js', import.meta.url));

const script: AcceptScript = {
  id: '01.3',
  title: 'kill -9 at random moments under load, with a receiver that fails one time in five',
  async run(report, scale) {
    const plan = scale === 'full' ? { kills: 50, acknowledged: 500 } : { kills: 6, acknowledged: 60 };
    await report.check('nothing that was acknowledged is lost, and every event is true', async () => {
      const tally = await killLoop({ ...plan, quietMs: 20_000 });
      const { kills, acknowledged, unheard, deliveries, ...wrong } = tally;
      const zero = Object.fromEntries(Object.keys(wrong).map(name => [name, 0]));
      assert.deepEqual(wrong, zero, `${JSON.stringify(tally)}`);
      assert.ok(acknowledged >= plan.acknowledged);
      return `${kills} kills, ${acknowledged} acknowledged, ${unheard} done but unheard, ${deliveries} deliveries; ${figures(wrong)}`;
    });
    await report.check('control: the same harness finds the missing events of a bus that records after the answer', async () => {
      const tally = await killLoop({ kills: scale === 'full' ? 12 : 4, acknowledged: 40, quietMs: 4_000, main: LOSSY_HUB });
      assert.ok(tally.eventsMissing > 0, `it found nothing: ${JSON.stringify(tally)}`);
      return `${tally.kills} kills, ${tally.acknowledged} acknowledged; ${tally.eventsMissing} events missing`;
    });
  },
};

function figures(wrong: Readonly<Record<string, number>>): string {
  return Object.entries(wrong)
    .map(([name, count]) => `${name.replaceAll(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)} ${count}`)
    .join(', ');
}

export default script;
