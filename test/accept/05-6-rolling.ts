import assert from 'node:assert/strict';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { HubProcess } from '../support/hub-process.js';
import { killPart, processesOf } from '../support/hub-processes.js';
import type { AcceptScript } from './script.js';
import { WorkerLoad } from './worker-load.js';

const PASSWORD = 'correct-horse';
const ENVIRONMENT = {
  ENTREPOT_WORKERS: '2',
  ENTREPOT_LOG__FORMAT: 'json',
  ENTREPOT_SHUTDOWN__GRACE: '30s',
  ENTREPOT_LIMITS__UNAUTHENTICATED_PER_ADDRESS: '100',
  ENTREPOT_PROTOCOLS__FTP__TLS: 'optional',
  ENTREPOT_PROTOCOLS__FTP__PASSIVE__PORTS: 'any',
};

const script: AcceptScript = {
  id: '05.6',
  title: 'the processes of a hub are replaced, and killed, under load',
  async run(report, scale) {
    const [clients, reloads, kills] = scale === 'full' ? [20, 5, 4] : [8, 2, 2];
    const hub = await HubProcess.start({ env: ENVIRONMENT });
    const keys = await Clients.create();
    const key = await keys.makeKey('alice');
    await hub.addUser('alice', PASSWORD, ['--key', `${key}.pub`]);
    for (const name of ['rolled', 'killed'])
      for (let index = 0; index < clients; index++) await mkdir(join(hub.files, 'alice', `${name}${index}`), { recursive: true });
    const login = { user: 'alice', password: PASSWORD, privateKey: await readFile(key) };

    await report.check(`${reloads} rolling restarts under ${clients} clients refuse nobody and break nothing`, async () => {
      const load = new WorkerLoad(hub, login, 'rolled', clients);
      let took = 0;
      for (let round = 0; round < reloads; round++) {
        await sleep(2_000);
        const before = await processesOf(hub);
        const began = performance.now();
        if (round % 2 === 0) await hub.json(['reload']);
        else process.kill(hub.pid, 'SIGHUP');
        await until(
          'all are replaced',
          async () => {
            const now = await processesOf(hub);
            return now.length === before.length && now.every(({ pid }) => !before.some(old => old.pid === pid));
          },
          90_000,
        );
        took = Math.max(took, performance.now() - began);
      }
      await sleep(1_000);
      await load.stop();
      const { uploads, downloads, refused, broken } = load.tally;
      assert.deepEqual({ refused, broken }, { refused: [], broken: [] });
      assert.ok(uploads > clients * reloads, `only ${uploads} uploads`);
      await load.check();
      return `${uploads} uploads and ${downloads} downloads, 0 refused, 0 broken; the longest restart took ${(took / 1_000).toFixed(1)} s`;
    });

    await report.check(
      `${kills} kills -9 of a serving process: its own transfers alone break, nothing acknowledged is lost, events are true`,
      async () => {
        const load = new WorkerLoad(hub, login, 'killed', clients);
        for (let round = 0; round < kills; round++) {
          await sleep(1_500);
          const serving = (await processesOf(hub)).filter(({ name }) => name.startsWith('serve'));
          load.isExcused = true;
          await killPart(hub, serving[round % serving.length]!);
          load.isExcused = false;
        }
        await sleep(1_500);
        await load.stop();
        assert.ok(load.excused > 0, 'nothing broke: the kills hit nobody');
        assert.ok(load.excused <= clients * kills, `${load.excused} broke`);
        assert.deepEqual(load.tally.refused, []);
        assert.deepEqual(load.tally.broken, []);
        await load.check();
        const left = await until('temporaries are swept', async () => (await temporaries(hub.files)).length === 0 && 'none', 15_000);
        return `${load.tally.uploads} uploads, ${load.excused} cut off by the kills, ${left} left behind`;
      },
    );
    await report.check('the hub stops in good order', async () => assert.equal(await hub.stop(), 0));
  },
};

async function temporaries(root: string): Promise<readonly string[]> {
  return (await readdir(root, { recursive: true })).filter(name => /\.entrepot.*-/.test(name));
}

export default script;
