import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { StorageRepository } from '#core/db/storages.js';
import { temporaryFolder } from '../../support/children.js';
import { Twins } from '../../support/differential.js';
import { sequences } from '../../support/differential-steps.js';
import { FXP } from '../../support/raw-sftp.js';
import { type SftpPeer, SftpServerProcess } from '../../support/sftp-server-process.js';
import { connect, PASSWORD, startSftp } from './support.js';

const RUNS = 200;

async function twins(t: ExecutionContext, change: (ours: SftpPeer) => SftpPeer = ours => ours): Promise<Twins> {
  const [theirs, ours] = [await temporaryFolder('theirs'), await temporaryFolder('ours')];
  const mounts = [{ path: '/', storage: 'twin', directory: '/' }];
  const hub = await startSftp(t, { users: { alice: { password: PASSWORD, mounts } }, values: { events: { record: [] } } });
  await hub.hub.get(StorageRepository).create({ name: 'twin', kind: 'local', options: { root: ours, links: 'inside' } });
  const server = SftpServerProcess.start(theirs);
  t.teardown(() => server.end());
  return new Twins({ peer: server, root: theirs }, { peer: change(await connect(t, hub.login)), root: ours });
}

test(`answers ${RUNS} random sequences as OpenSSH does, and leaves the same trees, but for written differences`, async t => {
  const pair = await twins(t);
  await fc.assert(
    fc.asyncProperty(sequences, steps => pair.compare(steps)),
    { numRuns: RUNS, seed: 4 },
  );
  t.true(pair.requests > 10 * RUNS, `${pair.requests} requests`);
  t.log(`${pair.requests} requests; differences met: ${[...pair.met].map(([id, count]) => `${id} ${count}`).join(', ')}`);
});

test('the comparison notices a wrong status and a wrong tree', async t => {
  const steps = [
    { kind: 'mkdir', path: 'd' },
    { kind: 'rmdir', path: 'd' },
    { kind: 'stat', path: 'a' },
  ] as const;
  const untrue = (lie: (type: number, parts: readonly Buffer[]) => [number, readonly Buffer[]]) =>
    twins(t, ours => ({
      request: (type, ...parts) => {
        const [sent, changed] = lie(type, parts);
        return ours.request(sent, ...changed);
      },
    }));
  const status = await untrue((type, parts) => [type === FXP.RMDIR ? FXP.REMOVE : type, parts]);
  await t.throwsAsync(status.compare(steps), { message: /rmdir.*OpenSSH status 0, ours status 4/ });
  const tree = await untrue((type, parts) => [type, parts.map(part => Buffer.from(part.toString('latin1').replace('/d', '/e'), 'latin1'))]);
  await t.throwsAsync(tree.compare(steps.slice(0, 1)), { message: /the trees differ/ });
  await t.notThrowsAsync((await twins(t)).compare(steps));
});
