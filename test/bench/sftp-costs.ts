import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { temporaryFolder } from '../support/children.js';
import type { Clients } from '../support/clients.js';
import { HubProcess } from '../support/hub-process.js';
import { FXP, NO_ATTRS, OPEN, RawSftp, string, u64 } from '../support/raw-sftp.js';
import { median, percentile, seconds } from './measures.js';

/** The median time from the start of the process to the run.json that says it listens, on a data directory that exists. */
export async function startTimes(count: number): Promise<number> {
  const dataDirectory = await temporaryFolder('bench-start');
  const times: number[] = [];
  for (let index = 0; index <= count; index += 1) {
    const hub = await HubProcess.start({ dataDirectory });
    // The first start also makes keys and tables.
    if (index > 0) times.push(hub.startedInMs);
    await hub.stop();
  }
  return median(times);
}

/** Puts the files in `folder` to hubs that differ in their settings, in turn; gives the median seconds of each. */
export async function smallFilesWith(
  clients: Clients,
  key: string,
  folder: string,
  rounds: number,
  parent: string | undefined,
  settings: Readonly<Record<string, Readonly<Record<string, string>>>>,
): Promise<Record<string, number>> {
  const hubs = new Map<string, HubProcess>();
  for (const [name, env] of Object.entries(settings)) {
    const hub = await HubProcess.start({ dataDirectory: await temporaryFolder('bench-cost', parent), env });
    await hub.addUser('bench', 'unused', ['--key', `${key}.pub`]);
    hubs.set(name, hub);
  }
  const times: Record<string, number[]> = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, hub] of hubs) {
      const taken = await seconds(async () => {
        const put = await clients.sftp({ port: hub.port, user: 'bench', keyFile: key }, [
          `mkdir /round-${round}`,
          `put ${folder}/* /round-${round}/`,
        ]);
        assert.equal(put.code, 0, put.output.slice(-500));
      });
      times[name] = [...(times[name] ?? []), taken];
    }
  }
  for (const hub of hubs.values()) await hub.stop();
  return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
}

/** How long CLOSE takes to acknowledge a 4 KiB upload on a real disk, in milliseconds, one client, 500 uploads. */
export async function acknowledgements(
  durability: 'disk' | 'process',
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly p50: number; readonly p99: number }> {
  const hub = await HubProcess.start({ env: { ...env, ENTREPOT_DURABILITY: durability } });
  // The database may outlive the hub.
  const user = `bench-${randomInt(2 ** 32)}`;
  await hub.addUser(user, 'secret');
  const client = await RawSftp.connect({ port: hub.port, user, password: 'secret' });
  const times: number[] = [];
  await client.request(FXP.MKDIR, string('/ack'), NO_ATTRS);
  for (let index = 0; index < 500; index += 1) {
    const handle = await client.open(`/ack/${index}`, OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
    await client.request(FXP.WRITE, string(handle), u64(0), string(Buffer.alloc(4_096, index)));
    const began = performance.now();
    assert.equal((await client.close(handle)).code, 0);
    times.push(performance.now() - began);
  }
  client.end();
  await hub.stop();
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}
