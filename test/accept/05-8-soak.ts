import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { median } from '../bench/measures.js';
import { temporaryFolder, until } from '../support/children.js';
import { addWebhook } from '../support/events.js';
import { collectedMemory, probeEnvironment, probeFile } from '../support/probed-hub.js';
import { Receiver } from '../support/receiver.js';
import { startWebProcess } from '../support/web-process.js';
import { Ledger } from './kill-ledger.js';
import type { AcceptScript } from './script.js';
import { Load, type Target } from './soak-load.js';

const TYPE = 'upload.completed';
const ALICE = { user: 'alice', password: 'secret' };
const DOWN_MS = 3_000;
const LOCKED_MS = 1_500;

/** How long it goes on: faults come each `everyMs`; kills only in the first `killUntil` of the time, and memory counts from `levelFrom` on. */
interface Plan {
  readonly totalMs: number;
  readonly everyMs: number;
  readonly sampleMs: number;
  readonly killUntil: number;
  readonly levelFrom: number;
  /** The most that resident memory may rise by, an hour. */
  readonly slopeMiB: number;
}

const SHORT: Plan = {
  totalMs: 100_000,
  everyMs: 7_000,
  sampleMs: 3_000,
  killUntil: 0.25,
  levelFrom: 0.4,
  // What a heap takes until it is level takes longer than that.
  slopeMiB: Number.POSITIVE_INFINITY,
};
/** The most that memory in use may rise by while it should be level: half of what a leak of 5 KiB a delivery makes of it in the short form. */
const GROWTH_MIB = 3.5;
/** Two hours; `SOAK_MINUTES` makes it longer or shorter. */
const MINUTES = Number(process.env.SOAK_MINUTES ?? 120);
const FULL: Plan = {
  totalMs: MINUTES * 60_000,
  everyMs: 300_000,
  sampleMs: 10_000,
  killUntil: 0.25,
  levelFrom: 0.5,
  slopeMiB: 1,
};

const script: AcceptScript = {
  id: '05.8',
  title: 'a soak: SFTP, FTP and HTTP at a third of their pace, with a fault again and again',
  async run(report, scale) {
    const plan = scale === 'full' ? FULL : SHORT;
    const soak = await Soak.begin(scale === 'full' ? 0.05 : 0.2);
    const samples = await soak.run(plan);
    await report.check('nothing that was acknowledged is lost, and every event is true', async () => {
      const { acknowledged, unheard, deliveries, ...wrong } = await soak.tally();
      assert.deepEqual(wrong, Object.fromEntries(Object.keys(wrong).map(name => [name, 0])));
      assert.ok(acknowledged > plan.totalMs / 1_000, `only ${acknowledged} uploads`);
      return `${(plan.totalMs / 60_000).toFixed(1)} min, ${acknowledged} uploads, ${soak.faults.join(', ')}, ${unheard} done but unheard, ${deliveries} deliveries`;
    });
    await report.check('memory is level and descriptors are flat', () => level(samples, plan));
    await soak.clear();
  },
};

interface Sample {
  readonly atMs: number;
  readonly usedMiB: number;
  readonly residentMiB: number;
  readonly descriptors: number;
}

class Soak {
  readonly faults: string[] = [];
  readonly #ledger = new Ledger();
  readonly #load: Load;
  #down = false;

  private constructor(
    private readonly options: { readonly dataDirectory: string; readonly env: Readonly<Record<string, string>> },
    private readonly probe: string,
    private target: Target,
    private readonly receiver: Receiver,
    refuses: { isDown: () => boolean },
  ) {
    this.#load = new Load(() => this.target, this.#ledger, ALICE);
    refuses.isDown = () => this.#down;
  }

  /** A hub, and a receiver that fails so often. */
  static async begin(failing: number): Promise<Soak> {
    const refuses = { isDown: () => false };
    const receiver = await Receiver.listen(() => (refuses.isDown() || Math.random() < failing ? 503 : 200));
    const retries = ['300ms', '1s', ...Array.from({ length: 20 }, () => '3s')];
    const probe = await probeFile();
    const env = { ENTREPOT_EVENTS__RETRY: JSON.stringify(retries), ...probeEnvironment(probe) };
    const options = { dataDirectory: await temporaryFolder('soak'), env };
    const target = await startWebProcess(options);
    await target.hub.addUser(ALICE.user, ALICE.password);
    await addWebhook(target.hub, receiver, TYPE);
    return new Soak(options, probe, target, receiver, refuses);
  }

  /** Goes on for as long as planned; gives what the hub held meanwhile, from the last kill on. */
  async run(plan: Plan): Promise<readonly Sample[]> {
    const began = Date.now();
    const elapsed = () => Date.now() - began;
    let samples: Sample[] = [];
    let [nextFault, count] = [plan.everyMs, 0];
    this.#load.begin();
    while (elapsed() < plan.totalMs) {
      await sleep(plan.sampleMs);
      if (elapsed() >= nextFault) {
        nextFault += plan.everyMs;
        const fault = this.#next(count++, elapsed() < plan.totalMs * plan.killUntil);
        if (fault === 'kill') samples = [];
        await this.#cause(fault, count);
        this.faults.push(fault);
      }
      samples.push({ atMs: elapsed(), ...(await this.#held()) });
    }
    await this.#load.end();
    return samples;
  }

  async tally() {
    const { hub } = this.target;
    await this.#ledger.inspect(join(hub.files, ALICE.user));
    await until('every delivery', () => this.#ledger.missing(this.receiver.accepted(TYPE)).length === 0, 120_000).catch(() => undefined);
    return this.#ledger.tally(this.receiver.accepted(TYPE));
  }

  async clear(): Promise<void> {
    await this.target.hub.stop();
    await this.receiver.close();
  }

  async #held(): Promise<Omit<Sample, 'atMs'>> {
    const { hub } = this.target;
    const descriptors = (await readdir(`/proc/${hub.pid}/fd`)).length;
    return { descriptors, ...(await collectedMemory(hub, this.probe)) };
  }

  #next(count: number, mayKill: boolean): 'kill' | 'cut' | 'receiver down' | 'locked' {
    if (mayKill && count % 2 === 0) return 'kill';
    return (['cut', 'receiver down', 'locked'] as const)[count % 3]!;
  }

  async #cause(fault: 'kill' | 'cut' | 'receiver down' | 'locked', count: number): Promise<void> {
    if (fault === 'cut') await Promise.all([0, 1, 2, 3].map(index => this.#load.cut(`${count}-${index}`)));
    if (fault === 'receiver down') {
      this.#down = true;
      await sleep(DOWN_MS);
      this.#down = false;
    }
    if (fault === 'locked') await this.#lock();
    if (fault === 'kill') {
      await this.target.hub.kill();
      this.target = await startWebProcess(this.options);
    }
  }

  async #lock(): Promise<void> {
    const database = new Database(join(this.options.dataDirectory, 'hub.db'));
    database.prepare('BEGIN IMMEDIATE').run();
    await sleep(LOCKED_MS);
    database.prepare('ROLLBACK').run();
    database.close();
  }
}

function level(samples: readonly Sample[], plan: Plan): string {
  const counted = samples.filter(({ atMs }) => atMs >= plan.totalMs * plan.levelFrom);
  const half = Math.floor(counted.length / 2);
  const halves = [counted.slice(0, half), counted.slice(half)];
  const [early, late] = halves.map(samples => (field: Exclude<keyof Sample, 'atMs'>) => median(samples.map(sample => sample[field])));
  const change = (field: Exclude<keyof Sample, 'atMs'>) => `${early!(field).toFixed(1)} to ${late!(field).toFixed(1)}`;
  const slope = slopeOf(counted) * 3_600_000;
  const told = `used ${change('usedMiB')} MiB, resident ${change('residentMiB')} MiB (${slope.toFixed(1)} MiB/h), descriptors ${change('descriptors')}`;
  assert.ok(late!('usedMiB') - early!('usedMiB') < GROWTH_MIB && slope < plan.slopeMiB, told);
  assert.ok(late!('descriptors') - early!('descriptors') < 4, told);
  return told;
}

/** MiB a ms, by least squares. */
function slopeOf(samples: readonly Sample[]): number {
  const meanAt = samples.reduce((sum, { atMs }) => sum + atMs, 0) / samples.length;
  const meanOf = samples.reduce((sum, { residentMiB }) => sum + residentMiB, 0) / samples.length;
  const above = samples.reduce((sum, { atMs, residentMiB }) => sum + (atMs - meanAt) * (residentMiB - meanOf), 0);
  return above / samples.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0);
}

export default script;
