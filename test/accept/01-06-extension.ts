import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, until } from '../support/children.js';
import { listDeliveries, listEvents } from '../support/events.js';
import { HubProcess } from '../support/hub-process.js';
import { copyFixture, installedTarball, installInto } from '../support/installation.js';
import { RawSftp } from '../support/raw-sftp.js';
import type { AcceptScript } from './script.js';

const script: AcceptScript = {
  id: '01.6',
  title: 'a package from outside adds a kind of storage and a durable hook',
  shares: 'installation',
  async run(report) {
    const place = await installedTarball();
    const fixture = await copyFixture('entrepot-acme', place);
    await report.check('it installs by its path, beside the packed tarball', () =>
      installInto(place, '--install-links', 'ava@7', './entrepot-acme'),
    );
    await report.check('the conformance suite passes on its storage, in under 20 lines', async () => {
      const lines = (await readFile(join(fixture, 'notes.test.js'), 'utf8')).trimEnd().split('\n').length;
      assert.ok(lines < 20, `${lines} lines`);
      const tested = await run('npm', ['test'], { cwd: fixture });
      assert.equal(tested.code, 0, tested.output.slice(-2_000));
      const passed = Number(/(\d+) tests? passed/.exec(tested.output)?.[1] ?? 0);
      const skipped = Number(/(\d+) tests? skipped/.exec(tested.output)?.[1] ?? 0);
      assert.ok(passed + skipped >= 60, `the suite has ${passed + skipped} cases`);
      return `${lines} lines, ${passed} cases passed, ${skipped} left out`;
    });

    const record = join(place, 'uploads.log');
    const configFile = join(place, 'config.yaml');
    await writeFile(
      configFile,
      `extensions:\n  entrepot-acme: { record: '${record}' }\nevents: { retry: [1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s] }\n`,
    );
    const options = { program: join(place, 'node_modules/entrepot/dist/core/main.js'), configFile };
    let hub = await HubProcess.start(options);
    await report.check('its storage serves files by SFTP', async () => {
      await hub.json(['storage', 'add', 'notes', '--kind', 'acme-notes', '--option', `file=${join(place, 'notes.json')}`]);
      await hub.addUser('alice', 'secret', ['--home', 'notes:/']);
      const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: 'secret' });
      await client.put('/note.txt', Buffer.from('a note'));
      assert.equal((await client.get('/note.txt')).toString(), 'a note');
      assert.deepEqual((await client.list('/')).map(String), ['note.txt']);
      client.end();
      assert.match(await readFile(join(place, 'notes.json'), 'utf8'), /note\.txt/);
    });
    await report.check('its hook gets the event', async () => {
      const [event] = await listEvents(hub, 'upload.completed');
      await until('the hook wrote the id', async () => (await readFile(record, 'utf8').catch(() => '')).includes(event!.id));
    });
    await report.check('the hook is durable: what failed before a kill -9 is done after the restart', async () => {
      // A folder in the place of the file makes every try fail.
      await rm(record);
      await mkdir(record);
      const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: 'secret' });
      await client.put('/second.txt', Buffer.from('another'));
      client.end();
      await until('a try that failed', async () =>
        (await listDeliveries(hub)).some(({ tries }) => tries.some(({ succeeded }) => !succeeded)),
      );
      await hub.kill();
      await rm(record, { recursive: true });
      hub = await HubProcess.start({ ...options, dataDirectory: hub.dataDirectory });
      const event = (await listEvents(hub, 'upload.completed')).find(({ data }) => data.path === '/second.txt');
      await until('the hook wrote the id', async () => (await readFile(record, 'utf8').catch(() => '')).includes(event!.id), 30_000);
    });
    await report.check('the hub stops in good order', async () => assert.equal(await hub.stop(), 0));
  },
};

export default script;
