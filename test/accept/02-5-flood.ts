import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../support/bystander.js';
import { until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { HubProcess } from '../support/hub-process.js';
import { FXP, RawSftp, string } from '../support/raw-sftp.js';
import { connectSilent } from '../support/raw-ssh.js';
import type { AcceptScript } from './script.js';

const ADDRESS = '127.0.0.4';
const GREETING = Buffer.from(`SSH-2.0-slow${'w'.repeat(200)}\r\n`);

const script: AcceptScript = {
  id: '02.5b',
  title: 'logins go on while another address keeps idle connections and such that send a byte a second',
  async run(report, scale) {
    const [idle, slow, logins] = scale === 'full' ? [500, 500, 200] : [150, 150, 40];
    const hub = await HubProcess.start();
    const clients = await Clients.create();
    const key = await clients.makeKey('alice');
    await hub.addUser('alice', 'correct-horse', ['--key', `${key}.pub`]);
    const login = { port: hub.port, user: 'alice', privateKey: await readFile(key) };
    const enter = async () => {
      const began = performance.now();
      const client = await RawSftp.connect(login);
      assert.equal((await client.request(FXP.STAT, string('/'))).type, FXP.ATTRS);
      client.cut();
      return performance.now() - began;
    };
    await enter();
    const files = await settledFiles(hub);
    const flood = new Flood(hub.port, idle, slow);
    await report.check(`${idle} idle and ${slow} slow peers: a login takes 2 s at most (p99)`, async () => {
      await sleep(1_000);
      const times: number[] = [];
      for (let times_ = 0; times_ < logins; times_++) times.push(await enter());
      const p99 = percentile(times, 0.99);
      assert.ok(p99 <= 2_000, `${p99.toFixed(0)} ms`);
      assert.ok(flood.held <= 10, `${flood.held} of them are held`);
      return `p99 ${p99.toFixed(0)} ms, slowest ${Math.max(...times).toFixed(0)} ms; ${flood.begun} connections begun, ${flood.held} held at a time`;
    });
    await report.check('none that did not log in is there a minute later, and no descriptor is left', async () => {
      flood.stopAnew();
      await until('all are cut', () => flood.held === 0, 65_000);
      const left = await settledFiles(hub);
      assert.ok(Math.abs(left - files) <= 5, `${files} descriptors before, ${left} after`);
      return `${files} descriptors before, ${left} after`;
    });
    await report.check('each refusal is one line with its reason', () => {
      const lines = hub.log.split('\n').filter(line => line.includes(ADDRESS));
      const refused = lines.filter(line => /connection refused/.test(line) && /that have not logged in/.test(line)).length;
      assert.ok(
        refused > 0 && refused >= flood.begun - 40 - lines.filter(line => /dropped/.test(line)).length,
        `${refused} of ${flood.begun}`,
      );
      return `${refused} refused of ${flood.begun} begun`;
    });
    await hub.stop();
  },
};

/** Peers that never log in, and come again when they are cut. */
class Flood {
  begun = 0;
  held = 0;
  #stopped = false;

  constructor(
    private readonly port: number,
    idle: number,
    slow: number,
  ) {
    for (let count = 0; count < idle; count++) this.#begin(false);
    for (let count = 0; count < slow; count++) this.#begin(true);
  }

  /** Lets those that are cut stay away. */
  stopAnew(): void {
    this.#stopped = true;
  }

  #begin(isSlow: boolean): void {
    if (this.#stopped) return;
    const socket: Socket = connectSilent(this.port, ADDRESS);
    this.begun++;
    let [timer, held, sent]: [NodeJS.Timeout | undefined, boolean, number] = [undefined, false, 0];
    // Only those whom the hub greets are held by it.
    socket.on('data', () => {
      if (!held) this.held++;
      held = true;
      if (isSlow)
        timer ??= setInterval(() => socket.write(GREETING.subarray(sent % GREETING.length, (sent++ % GREETING.length) + 1)), 1_000);
    });
    socket.once('close', () => {
      clearInterval(timer);
      if (held) this.held--;
      setTimeout(() => this.#begin(isSlow), 2_000);
    });
  }
}

/** The open descriptors of the hub, when it is quiet. */
async function settledFiles(hub: HubProcess): Promise<number> {
  await sleep(1_500);
  return (await readdir(`/proc/${hub.pid}/fd`)).length;
}

export default script;
