import assert from 'node:assert/strict';
import fc from 'fast-check';
import { temporaryFolder } from '../support/children.js';
import { DIFFERENCES } from '../support/differences.js';
import { Twins } from '../support/differential.js';
import { sequences } from '../support/differential-steps.js';
import { HubProcess } from '../support/hub-process.js';
import { RawSftp } from '../support/raw-sftp.js';
import { SftpServerProcess } from '../support/sftp-server-process.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'correct-horse';

const script: AcceptScript = {
  id: '02.2',
  title: "random sequences of requests: OpenSSH's sftp-server and ours agree, but for written differences",
  async run(report, scale) {
    const runs = scale === 'full' ? 2_000 : 400;
    const [theirs, ours] = [await temporaryFolder('theirs'), await temporaryFolder('ours')];
    const hub = await HubProcess.start();
    await hub.json(['storage', 'add', 'twin', '--kind', 'local', '--option', `root=${ours}`, '--option', 'links=inside']);
    await hub.addUser('alice', PASSWORD, ['--home', 'twin:/', '--permission', '/=*']);
    const server = SftpServerProcess.start(theirs);
    const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: PASSWORD });
    const twins = new Twins({ peer: server, root: theirs }, { peer: client, root: ours });
    const seed = 20_261_124;
    await report.check(`${runs} sequences: statuses, data, listings and trees agree (seed ${seed})`, async () => {
      await fc.assert(
        fc.asyncProperty(sequences, steps => twins.compare(steps)),
        { numRuns: runs, seed },
      );
      assert.ok(twins.requests > 10 * runs);
      const met = DIFFERENCES.map(({ id, reason }) => `\n     ${id}, ${twins.met.get(id) ?? 0} times: ${reason}`);
      return `${twins.requests} requests; written differences that were met:${met.join('')}`;
    });
    client.end();
    server.end();
    await hub.stop();
  },
};

export default script;
