import 'reflect-metadata';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { defineExtension, HUB_VERSION } from '#core/api.js';
import { until } from '../support/children.js';
import { type Json, startWeb } from './support.js';

test('lists extensions with version, what they registered, and what of them fails until it works again', async t => {
  let broken = true;
  const work = async () => {
    if (broken) throw new Error('out of order\nand a stack');
  };
  const extension = defineExtension({
    name: 'courier',
    api: '^1.0.0',
    version: '2.3.4',
    register: host => {
      host.guard('upload', work);
      host.every(20, 'sweep', work);
      host.on('file.deleted', 'never', work);
    },
  });
  const hub = await startWeb(t, { users: { bob: { password: 'pw' } }, extensions: [extension] });
  const ada = await hub.loggedIn('admin', 'ada');
  const courier = async () =>
    ((await ada.get('/extensions')).body.items as unknown as Json[]).find(({ name }) => String(name) === 'courier')!;
  const bob = await hub.loggedIn('user', 'bob');
  t.is((await bob.raw('PUT', '/files/content?path=/f', { body: 'x' })).status, 503);
  const failing = await until('the task has failed', async () => {
    const found = await courier();
    return (found.health?.failures as unknown as Json[])?.length === 2 ? found : undefined;
  });
  t.like(failing, {
    version: '2.3.4',
    registered: ['guard upload', 'task sweep', 'handler never'],
    health: { state: 'failing', deadDeliveries: 0 },
  });
  const failures = failing.health!.failures as unknown as { part: string; message: string; at: number }[];
  t.deepEqual(failures.map(({ part, message }) => `${part}: ${message}`).sort(), [
    'guard upload: out of order',
    'task sweep: out of order',
  ]);
  t.true(failures.every(({ at }) => Math.abs(Date.now() - at) < 60_000));
  broken = false;
  t.is((await bob.raw('PUT', '/files/content?path=/f', { body: 'x' })).status, 201);
  const well = await until('all of it works again', async () => {
    const found = await courier();
    return String(found.health?.state) === 'ok' ? found : undefined;
  });
  t.deepEqual(well.health as unknown, { state: 'ok', deadDeliveries: 0, failures: [] });
  t.is(String(((await ada.get('/extensions')).body.items as unknown as Json[])[0]!.version), HUB_VERSION);
});

test('an extension whose handler gave a delivery up is failing; one beside a package.json has its version', async t => {
  const root = await mkdtemp(join(tmpdir(), 'entrepot-versions-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  const source = (name: string, body: string) =>
    `import { defineExtension, PermanentFailure } from 'entrepot';
export default defineExtension({ name: '${name}', api: '^1.0.0', register(hub) { ${body} } });`;
  await mkdir(join(root, 'packed'));
  await writeFile(join(root, 'packed/package.json'), '{ "version": "7.0.1" }');
  await writeFile(
    join(root, 'packed/index.mjs'),
    source('packed', "hub.on('upload.completed', 'copy', async () => { throw new PermanentFailure('no way'); });"),
  );
  await writeFile(join(root, 'loose.mjs'), source('loose', ''));
  const extensions = { [join(root, 'packed/index.mjs')]: {}, [join(root, 'loose.mjs')]: {} };
  const hub = await startWeb(t, { users: { bob: { password: 'pw' } }, values: { extensions } });
  const ada = await hub.loggedIn('admin', 'ada');
  const bob = await hub.loggedIn('user', 'bob');
  t.is((await bob.raw('PUT', '/files/content?path=/f', { body: 'x' })).status, 201);
  const packed = await until('the delivery was given up', async () => {
    const found = ((await ada.get('/extensions')).body.items as unknown as Json[]).find(({ name }) => String(name) === 'packed')!;
    return Number(found.health!.deadDeliveries) === 1 ? found : undefined;
  });
  t.like(packed, { version: '7.0.1', health: { state: 'failing', failures: [{ part: 'handler copy', message: 'no way' }] } });
  const listed = await hub.call('extensions.list', {});
  t.is(listed.find(({ name }) => name === 'loose')?.version, undefined);
  t.like(
    listed.find(({ name }) => name === 'packed'),
    { version: '7.0.1', health: { state: 'failing', deadDeliveries: 1 } },
  );
});
