import { Clients } from '../support/clients.js';
import { HubProcess } from '../support/hub-process.js';
import { checkPaths } from './bad-paths.js';
import { checkStarts } from './bad-start.js';
import { checkTargets } from './bad-targets.js';
import { checkWire } from './bad-wire.js';
import { checkFaults } from './faults.js';
import { checkPathSwap } from './path-swap.js';
import type { AcceptScript } from './script.js';

const script: AcceptScript = {
  id: '01.8',
  title: 'every row of the bad-input table, and the path-swap race',
  async run(report, scale) {
    const hub = await HubProcess.start({ env: { ENTREPOT_LIMITS__UNAUTHENTICATED_PER_ADDRESS: '200' } });
    const clients = await Clients.create();
    await hub.addUser('alice', 'secret');
    const account = { port: hub.port, user: 'alice', password: 'secret' };
    await checkWire(report, hub, account);
    await checkPaths(report, hub, account);
    await checkFaults(report, hub, clients, account);
    await checkPathSwap(report, hub, account, scale);
    await report.check('the hub that took all this still stops in good order', async () => {
      const code = await hub.stop();
      if (code !== 0) throw new Error(`exit ${code}`);
    });
    await checkTargets(report);
    await checkStarts(report);
  },
};

export default script;
