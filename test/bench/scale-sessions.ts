import { readFile } from 'node:fs/promises';
import { temporaryFolder } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { HubProcess } from '../support/hub-process.js';
import { RawSftp } from '../support/raw-sftp.js';
import { median, percentile } from './measures.js';

const TMPFS = '/dev/shm';
const AT_ONCE = 8;
const PROBES = 100;

/** What `count` idle SFTP sessions take of one hub's memory, and how long a login takes beside them; as rows. */
export async function idleSessions(count: number): Promise<string[][]> {
  const clients = await Clients.create();
  const key = await clients.makeKey('bench');
  const many = String(count + 2 * PROBES);
  const env = {
    ENTREPOT_LIMITS__SESSIONS: many,
    ENTREPOT_LIMITS__SESSIONS_PER_USER: many,
    ENTREPOT_LIMITS__SESSIONS_PER_ADDRESS: many,
    ENTREPOT_LIMITS__IDLE: '4h',
  };
  const hub = await HubProcess.start({ dataDirectory: await temporaryFolder('bench-sessions', TMPFS), env });
  await hub.addUser('bench', 'secret', ['--key', `${key}.pub`]);
  const account = { port: hub.port, user: 'bench', privateKey: await readFile(key) };
  const held: RawSftp[] = [];
  const hold = async (wanted: number) => {
    const one = async () => {
      while (held.length < wanted) held.push(await RawSftp.connect(account));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  };
  const logins = async () => {
    const times: number[] = [];
    for (let index = 0; index < PROBES; index += 1) {
      const began = performance.now();
      const session = await RawSftp.connect(account);
      times.push(performance.now() - began);
      session.end();
    }
    return times;
  };
  await hold(10);
  const [idleMiB, alone] = [await hub.memoryMiB('VmRSS'), await logins()];
  await hold(count);
  const [fullMiB, beside] = [await hub.memoryMiB('VmRSS'), await logins()];
  for (const session of held) session.end();
  await hub.stop();
  const show = (times: readonly number[]) => `p50 ${median(times).toFixed(1)}, p99 ${percentile(times, 0.99).toFixed(1)} ms`;
  return [
    [`memory of an idle SFTP session, of ${count}`, `${(((fullMiB - idleMiB) * 1024) / (count - 10)).toFixed(0)} KiB`, '< 350 KiB', ''],
    [`memory of the hub with ${count} sessions`, `${fullMiB.toFixed(0)} MiB`, '', ''],
    ['login by key, hardly any other session', show(alone), '', 'the key exchange'],
    [`login by key beside ${count} sessions`, show(beside), '', 'the key exchange'],
  ];
}
