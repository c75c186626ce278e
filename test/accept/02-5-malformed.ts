import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import ssh2 from 'ssh2';
import { until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { HubProcess } from '../support/hub-process.js';
import { ProbedHub } from '../support/probed-hub.js';
import { FXP, type Login, OPEN, packet, RawSftp, string, u32, u64 } from '../support/raw-sftp.js';
import { checkMutations, checkRudeSftp, type Scene } from './rude-sftp.js';
import { checkRudeSsh } from './rude-ssh.js';
import type { AcceptScript } from './script.js';

const UNGUARDED_HUB = fileURLToPath(new URL('unguarded-hub.js', import.meta.url));
const PASSWORD = 'correct-horse';

const script: AcceptScript = {
  id: '02.5',
  title: 'malformed traffic: every row of the table, and mutated packets, beside a client that must not notice',
  async run(report, scale) {
    const env = {
      // The failures of these rows are not what bans.
      ENTREPOT_DEFENCE__FAILURES: '1000',
      ENTREPOT_DEFENCE__DELAY: '1ms',
      ENTREPOT_LOG__FORMAT: 'json',
    };
    const probed = await ProbedHub.start(env);
    const { hub } = probed;
    const keptMiB = async () => (await probed.memory()).residentMiB;
    const clients = await Clients.create();
    const malloryKeyFile = await clients.makeKey('mallory');
    await hub.addUser('alice', PASSWORD);
    await hub.addUser('mallory', 'battery-staple', ['--key', `${malloryKeyFile}.pub`]);
    const { port } = hub;
    const mallory = { port, user: 'mallory', password: 'battery-staple', privateKey: await readFile(malloryKeyFile) };
    const scene: Scene = { hub, keptMiB, clients, mallory, malloryKeyFile, alice: { port, user: 'alice', password: PASSWORD }, scale };
    await checkRudeSftp(report, scene);
    await checkRudeSsh(report, scene);
    await checkMutations(report, scene);
    await report.check('the hub that took all this still stops in good order', async () => assert.equal(await hub.stop(), 0));
    await report.check('control: without limits to what is in flight, a client that never reads fills the memory', async () => {
      const unguarded = await HubProcess.start({
        dataDirectory: hub.dataDirectory,
        main: UNGUARDED_HUB,
        env: { ...env, TEST_WITHOUT: 'limits' },
      });
      const grown = await fill(unguarded, { ...mallory, port: unguarded.port });
      await unguarded.kill();
      assert.ok(grown > 60, `only ${grown.toFixed(0)} MiB more`);
      return `${grown.toFixed(0)} MiB more`;
    });
    await report.check("control: a server as ssh2's examples make one is ended by five bytes", async () => {
      const naive = await HubProcess.start({
        dataDirectory: hub.dataDirectory,
        main: UNGUARDED_HUB,
        env: { ...env, TEST_WITHOUT: 'codec' },
      });
      const client = new ssh2.Client().on('error', () => {});
      client.once('ready', () => client.subsys('sftp', (_error, channel) => void channel?.write(Buffer.from('ffffffff03', 'hex'))));
      client.connect({ host: '127.0.0.1', port: naive.port, username: 'anyone', password: 'any' });
      await until('the hub died', () => !naive.alive);
      client.destroy();
    });
  },
};

/** Asks for 150 MiB and reads nothing. */
async function fill(hub: HubProcess, login: Login): Promise<number> {
  const client = await RawSftp.connect(login);
  await client.put('/large.bin', Buffer.alloc(2 ** 20));
  const handle = await client.open('/large.bin', OPEN.READ);
  const before = await hub.memoryMiB('VmRSS');
  client.channel.pause();
  for (let id = 0; id < 600; id++) client.send(packet(FXP.READ, u32(id), string(handle), u64(0), u32(261_120)));
  await sleep(3_000);
  return (await hub.memoryMiB('VmRSS')) - before;
}

export default script;
