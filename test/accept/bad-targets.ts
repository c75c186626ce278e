import assert from 'node:assert/strict';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder, until } from '../support/children.js';
import { addWebhook, delivered, deliveryStates, dropHook, listDeliveries } from '../support/events.js';
import { HubProcess } from '../support/hub-process.js';
import { RawSftp } from '../support/raw-sftp.js';
import { type Plan, Receiver } from '../support/receiver.js';
import type { Report } from './script.js';

const TYPE = 'upload.completed';
const UPLOADS = 10;

/** Receivers that misbehave; each gets every event beside a healthy one. */
const RECEIVERS: Readonly<Record<string, Plan>> = {
  'hangs without an answer': () => 0,
  'sends half a header': (_, response) => {
    response.socket?.write('HTTP/1.1 200 OK\r\nx-half: ');
    return 0;
  },
  'answers 3 GB': (_, response) => {
    response.writeHead(500, { 'content-length': '3000000000' });
    const piece = Buffer.alloc(2 ** 20);
    const more = () => {
      while (!response.destroyed && response.write(piece));
    };
    response.on('drain', more);
    more();
    return 0;
  },
  'answers garbage': (_, response) => {
    response.socket?.end('\x00\x01 this is not HTTP\r\n\r\n');
    return 0;
  },
  'answers 500': () => 500,
  'closes at once': (_, response) => {
    response.socket?.destroy();
    return 0;
  },
};

/** Hooks that misbehave, each for every upload, and how they look on the disk. */
const HOOKS: readonly (readonly [name: string, text: string, mode: number])[] = [
  ['10-hangs.sh', '#!/bin/sh\n# @hook timeout=1s\nsleep 1000\n', 0o700],
  ['20-floods.sh', '#!/bin/sh\n# @hook timeout=1s\nyes flood\n', 0o700],
  ['30-forks.sh', '#!/bin/sh\n# @hook timeout=1s\nsleep 987654 & sleep 987654 & sleep 987654\n', 0o700],
  ['40-exits-1.sh', '#!/bin/sh\necho "what was wrong" >&2\nexit 1\n', 0o700],
  ['50-world-writable.sh', '#!/bin/sh\nexit 0\n', 0o777],
  ['60-no-interpreter', '#!/no/such/interpreter\n', 0o700],
];

/** Targets that hang, flood, fail or lie: others are served, memory is flat, and an operator sees why. */
export async function checkTargets(report: Report): Promise<void> {
  await report.check('receivers that hang, flood, fail, redirect or talk garbage: the healthy one gets everything', receivers);
  await report.check('hooks that hang, flood, fork, fail or may be written by others: uploads and the good hook go on', hooks);
  await report.check('an extension that throws in a handler: retried as a delivery with its error shown', throwingHandler);
  await report.check('private addresses are refused unless allowed, and the refusal names the setting', privateAddress);
}

async function receivers(): Promise<string> {
  const hub = await HubProcess.start({ env: { ENTREPOT_EVENTS__RETRY: '["500ms","1s","1m"]', ENTREPOT_OUTBOUND__TIMEOUT: '2s' } });
  const secret = await Receiver.listen();
  const redirects: Plan = (_, response) => {
    response.writeHead(302, { location: secret.url }).end();
    return 0;
  };
  const plans: Readonly<Record<string, Plan>> = { ...RECEIVERS, 'redirects to a private address': redirects };
  const bad = await Promise.all(Object.values(plans).map(plan => Receiver.listen(plan)));
  const healthy = await Receiver.listen();
  await hub.addUser('alice', 'secret');
  for (const receiver of [...bad, healthy]) await addWebhook(hub, receiver, TYPE);
  const before = await hub.memoryMiB('VmRSS');
  await upload(hub, UPLOADS);
  await delivered(healthy, TYPE, UPLOADS, 20_000);
  assert.equal(new Set(healthy.accepted(TYPE).map(({ id }) => id)).size, UPLOADS);
  for (const [index, name] of Object.keys(plans).entries()) {
    await until(`a second try at the one that ${name}`, () => bad[index]!.received.length > UPLOADS, 40_000);
  }
  assert.equal(secret.received.length, 0, 'a redirect was followed');
  const grown = (await hub.memoryMiB('VmHWM')) - before;
  assert.ok(grown < 120, `the memory grew by ${grown.toFixed(0)} MiB`);
  const undone = (await deliveryStates(hub)).filter(state => state !== 'succeeded');
  assert.equal(undone.length, UPLOADS * bad.length, 'every failed delivery is kept');
  assert.equal(await hub.stop(), 0);
  await Promise.all([...bad, healthy, secret].map(receiver => receiver.close()));
  return `${bad.length} bad ones, memory + ${grown.toFixed(0)} MiB at most`;
}

async function hooks(): Promise<string> {
  const hub = await HubProcess.start({ env: { ENTREPOT_EVENTS__RETRY: '["500ms","1m"]' } });
  await hub.addUser('alice', 'secret');
  for (const [name, text, mode] of HOOKS) {
    await dropHook(hub, `${TYPE}.d/${name}`, text);
    await chmod(join(hub.hooks, `${TYPE}.d`, name), mode);
  }
  const marks = join(await temporaryFolder('marks'), 'good');
  await writeFile(marks, '');
  await dropHook(hub, `${TYPE}.d/90-good.sh`, `#!/bin/sh\necho "$ENTREPOT_EVENT_ID" >> '${marks}'\n`);
  await sleep(1_500);
  await upload(hub, 3);
  const count = async () => new Set((await readFile(marks, 'utf8')).split('\n').filter(line => line !== '')).size;
  await until('the good hook ran for each', async () => (await count()) === 3, 60_000);
  const listed = await hub.cli(['hooks', 'list']);
  assert.match(listed.output, /50-world-writable\.sh/);
  assert.match(listed.output, /writ/i, 'the reason is shown');
  await until('what the failing hook said is kept', async () => {
    return JSON.stringify(await listDeliveries(hub)).includes('what was wrong');
  });
  await until('the processes of the hooks have ended', async () => !(await commandLines()).some(line => line.includes('sleep\x00987654')));
  assert.equal(await hub.stop(), 0);
  return `${HOOKS.length} bad ones`;
}

async function throwingHandler(): Promise<string> {
  const folder = await temporaryFolder('extension');
  await writeFile(join(folder, 'package.json'), '{"name":"thrower","type":"module","main":"index.js","version":"1.0.0"}');
  const source = `export default { name: 'thrower', api: '^1.0.0', register(hub) {
    hub.on('${TYPE}', 'throws', async () => { throw new Error('thrown on purpose'); });
    hub.on('${TYPE}', 'rejects', () => Promise.reject('not even an error'));
  } };\n`;
  await writeFile(join(folder, 'index.js'), source);
  const config = join(folder, 'config.yaml');
  await writeFile(config, `extensions:\n  ${folder}: {}\nevents: { retry: [200ms, 200ms, 1m] }\n`);
  const hub = await HubProcess.start({ configFile: config });
  await hub.addUser('alice', 'secret');
  await upload(hub, 1);
  const attempts = await until('three attempts with the error', async () => {
    const told = (await listDeliveries(hub)).find(({ tries }) => tries.length >= 3 && tries[0]?.summary.includes('thrown on purpose'));
    return told?.tries.length;
  });
  await upload(hub, 1);
  assert.equal(await hub.stop(), 0);
  return `${attempts} attempts`;
}

async function privateAddress(): Promise<string> {
  const receiver = await Receiver.listen();
  const hub = await HubProcess.start({ env: { ENTREPOT_OUTBOUND__ALLOW: '[]', ENTREPOT_EVENTS__RETRY: '["200ms","1m"]' } });
  await hub.addUser('alice', 'secret');
  const port = new URL(receiver.url).port;
  for (const host of ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]', '[::1]', '0.0.0.0']) {
    // It may be refused when it is added already, or at each delivery.
    await hub.cli(['webhook', 'add', `http://${host}:${port}/`, '--event', TYPE, '--json']);
  }
  await upload(hub, 1);
  await sleep(1_500);
  assert.equal(receiver.received.length, 0, 'a private address was reached');
  const deliveries = await listDeliveries(hub);
  const told = deliveries.filter(({ tries }) => JSON.stringify(tries).includes('outbound.allow')).length;
  assert.equal(told, deliveries.length);
  assert.equal(await hub.stop(), 0);
  await receiver.close();
  return `${told} refusals name outbound.allow`;
}

async function upload(hub: HubProcess, count: number): Promise<void> {
  const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: 'secret' });
  for (let index = 0; index < count; index += 1) await client.put(`/file-${index}-${Date.now()}.txt`, Buffer.from('content'));
  client.end();
}

async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name));
  return Promise.all(pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
}
