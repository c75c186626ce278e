import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import { LocalCoordinator } from '#core/cluster/local.js';
import { Members } from '#core/cluster/members.js';
import { ProcessRepository } from '#core/db/processes.js';
import { createLogger } from '#core/log.js';
import { Outbox, until } from '../../conformance/outbox.js';
import { DATABASES } from '../../support/databases.js';
import { Lacking } from '../../support/tools.js';

const log = createLogger('silent');
const LEASE_MS = 60_000;
const realNow = Date.now;

/** Does something on a machine whose clock is wrong. */
async function at<T>(offsetMs: number, work: () => Promise<T>): Promise<T> {
  Date.now = () => realNow() + offsetMs;
  try {
    return await work();
  } finally {
    Date.now = realNow;
  }
}

/** One after another, since the clock is everybody's; on servers, since the clock of SQLite is that of its only machine. */
function onEachServer(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  for (const kind of DATABASES.filter(({ dialect }) => dialect !== 'sqlite')) {
    test.serial(`${kind.name}: ${title}`, async t => {
      t.timeout(120_000);
      try {
        await kind.start();
      } catch (error) {
        if (!(error instanceof Lacking) || process.env.CI) throw error;
        t.log(error.message);
        return t.pass();
      }
      t.context = { freshDatabase: kind.fresh };
      await body(t);
    });
  }
}

for (const offsetMs of [90_000, -90_000]) {
  onEachServer(`a claim holds also for a node whose clock is ${offsetMs / 1_000} s off, and so does the claim of that node`, async t => {
    const right = await Outbox.open(t);
    const wrong = await at(offsetMs, () => Outbox.open(t, {}, right.directory));
    await right.publish('a');
    await at(offsetMs, () => wrong.publish('b'));
    await until(async () => (await right.deliveries.dueTargets()).length === 2);
    await until(async () => (await at(offsetMs, () => wrong.deliveries.dueTargets())).length === 2);

    const [a] = await right.deliveries.claim(new Map([['a', 1]]), 'right/1', LEASE_MS);
    const [b] = await at(offsetMs, () => wrong.deliveries.claim(new Map([['b', 1]]), 'wrong/1', LEASE_MS));
    t.is(await right.deliveries.releaseExpired(), 0);
    t.is(await at(offsetMs, () => wrong.deliveries.releaseExpired()), 0);
    await right.deliveries.renew(['right/1'], LEASE_MS);
    await at(offsetMs, () => wrong.deliveries.renewTries([b!], LEASE_MS));
    t.is(await right.deliveries.releaseExpired(), 0);
    t.is(await at(offsetMs, () => wrong.deliveries.releaseExpired()), 0);
    for (const { claimedAt } of await right.deliveries.running()) t.true(Math.abs(claimedAt - realNow()) < 10_000);

    const failed = () => ({ startedAt: Date.now(), durationMs: 1, succeeded: false, summary: 'no', answer: undefined });
    t.true(await at(offsetMs, () => wrong.deliveries.finish(b!.id, 1, { ...failed(), retryAt: Date.now() + 30_000 })));
    t.true(await right.deliveries.finish(a!.id, 1, { ...failed(), retryAt: Date.now() + 30_000 }));
    for (const { id } of [a!, b!]) {
      const { dueAt } = (await right.deliveries.find(id))!;
      t.true(Math.abs(dueAt! - realNow() - 30_000) < 10_000);
    }
  });
}

onEachServer('a node whose clock is minutes ahead or behind sees that another one is at work, without the Redis of both', async t => {
  for (const offsetMs of [180_000, -180_000]) {
    const right = await Outbox.open(t);
    const wrong = await at(offsetMs, () => Outbox.open(t, {}, right.directory));
    const settings = { shareable: true, joined: false, log };
    const one = new Members(new ProcessRepository(right.database), new LocalCoordinator(), { ...settings, node: 'one' });
    await one.enter('hub');
    const beating = setInterval(() => void one.look(), 500);
    const two = new Members(new ProcessRepository(wrong.database), new LocalCoordinator(), { ...settings, node: 'two' });
    await t.throwsAsync(
      at(offsetMs, () => two.enter('hub')),
      { code: 'conflict' },
    );
    clearInterval(beating);
  }
});
