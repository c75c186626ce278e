import assert from 'node:assert/strict';
import { access, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { dropHook, listEvents } from '../support/events.js';
import { HubProcess } from '../support/hub-process.js';
import type { AcceptScript } from './script.js';

const REASON = 'programs are not accepted here';
const REFUSING = `#!/bin/sh
input=$(cat)
case "$ENTREPOT_PATH" in
  *.exe) echo '${REASON}'; echo 'for the log only' >&2; exit 1;;
esac
`;

const script: AcceptScript = {
  id: '01.7',
  title: 'before.upload refuses with a reason, and a hook that hangs refuses at its limit',
  async run(report) {
    const hub = await HubProcess.start();
    const clients = await Clients.create();
    await hub.addUser('alice', 'secret');
    const account = { port: hub.port, user: 'alice', password: 'secret' };
    const source = await temporaryFolder('source');
    await writeFile(join(source, 'setup.exe'), 'MZ');
    await writeFile(join(source, 'notes.txt'), 'hello');
    await dropHook(hub, 'before.upload.sh', REFUSING);
    // The folder is watched: the hook is there when `hooks list` shows it.
    await report.check('`hooks list` shows the hook without a restart', async () => {
      for (let tries = 0; ; tries += 1) {
        const listed = await hub.cli(['hooks', 'list', '--json']);
        if (listed.code === 0 && listed.stdout.includes('before.upload.sh')) return;
        assert.ok(tries < 50, `not listed: ${listed.output}`);
        await new Promise(resolve => setTimeout(resolve, 100));
      }
    });
    await report.check('*.exe is refused, and sftp prints the reason', async () => {
      const put = await clients.sftp(account, [`put ${source}/setup.exe /setup.exe`]);
      assert.notEqual(put.code, 0);
      assert.match(put.output, new RegExp(REASON));
      assert.doesNotMatch(put.output, /for the log only/);
      await assert.rejects(access(join(hub.files, 'alice/setup.exe')));
      return put.output.split('\n').find(line => line.includes(REASON));
    });
    await report.check('another name is accepted', async () => {
      const put = await clients.sftp(account, [`put ${source}/notes.txt /notes.txt`]);
      assert.equal(put.code, 0, put.output);
      await access(join(hub.files, 'alice/notes.txt'));
    });
    await report.check('a refused upload leaves no event of success and no file', async () => {
      const completed = await listEvents(hub, 'upload.completed');
      assert.deepEqual(
        completed.map(({ data }) => data.path),
        ['/notes.txt'],
      );
      assert.deepEqual(
        (await readdir(join(hub.files, 'alice'))).filter(name => !name.startsWith('.entrepot')),
        ['notes.txt'],
      );
    });
    await dropHook(hub, 'before.delete.sh', '#!/bin/sh\n# @hook timeout=2s\nsleep 600 & sleep 600\n');
    await report.check('a hook that hangs refuses at its limit, and its processes are gone', async () => {
      await new Promise(resolve => setTimeout(resolve, 1_500));
      const began = performance.now();
      const removed = await clients.sftp(account, ['rm /notes.txt']);
      const seconds = (performance.now() - began) / 1000;
      assert.notEqual(removed.code, 0, 'the removal was allowed');
      await access(join(hub.files, 'alice/notes.txt'));
      assert.ok(seconds < 30, `it took ${seconds} s`);
      return `refused after ${seconds.toFixed(1)} s: ${removed.output.split('\n').at(-1)}`;
    });
    await report.check('uploads go on', async () => {
      const put = await clients.sftp(account, [`put ${source}/notes.txt /more.txt`]);
      assert.equal(put.code, 0, put.output);
    });
    await hub.stop();
  },
};

export default script;
