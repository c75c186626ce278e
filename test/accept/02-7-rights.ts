import assert from 'node:assert/strict';
import { RIGHTS } from '#core/db/user.js';
import { HubProcess } from '../support/hub-process.js';
import { RawSftp } from '../support/raw-sftp.js';
import { ROWS, wrongRows } from '../support/sftp-rights.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'correct-horse';

const script: AcceptScript = {
  id: '02.7',
  title: 'each request takes the rights that the manual says, and no others',
  async run(report) {
    const hub = await HubProcess.start();
    const login = (user: string) => ({ port: hub.port, user, password: PASSWORD });
    await hub.addUser('full', PASSWORD, ['--home', 'data:/shared', '--permission', '/=*']);
    const full = await RawSftp.connect(login('full'));
    await report.check(`${ROWS.length} requests succeed with every right`, async () => {
      assert.deepEqual(await wrongRows(login('full'), undefined, full), []);
    });
    for (const right of RIGHTS) {
      await report.check(`without ${right}`, async () => {
        const rest = RIGHTS.filter(other => other !== right);
        await hub.addUser(right, PASSWORD, ['--home', 'data:/shared', '--permission', `/=${rest.join(',')}`]);
        assert.deepEqual(await wrongRows(login(right), right, full), []);
        const denied = ROWS.filter(({ needs }) => needs.includes(right)).length;
        return `${denied} refused, ${ROWS.length - denied} done`;
      });
    }
    full.end();
    await hub.stop();
  },
};

export default script;
