import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { run } from '../support/children.js';
import { HUB_SETTINGS } from '../support/hub-process.js';
import { type Service, startMariadb, startPostgres, startRedis } from '../support/services.js';
import { killLoop } from './kill-harness.js';
import type { AcceptScript } from './script.js';

const DATABASES = ['SQLite', 'MariaDB', 'PostgreSQL'] as const;
const QUEUES = ['SQL', 'BullMQ'] as const;
const PROCESSES = ['one process', 'two workers'] as const;

/** What a hub runs on. */
interface Ground {
  readonly database: (typeof DATABASES)[number];
  readonly queue: (typeof QUEUES)[number];
  readonly processes: (typeof PROCESSES)[number];
}

const ALL: readonly Ground[] = DATABASES.flatMap(database =>
  QUEUES.flatMap(queue => PROCESSES.map(processes => ({ database, queue, processes }))),
);
/** Each database, each queue and each number of processes, and most pairs of them. */
const PAIRS: readonly Ground[] = [
  { database: 'SQLite', queue: 'SQL', processes: 'two workers' },
  { database: 'SQLite', queue: 'BullMQ', processes: 'one process' },
  { database: 'MariaDB', queue: 'BullMQ', processes: 'two workers' },
  { database: 'PostgreSQL', queue: 'SQL', processes: 'one process' },
];

/** Only grounds whose name holds this, also those that the short form leaves out: 'MariaDB', or all of 'MariaDB, BullMQ queue, two workers'. */
const ONLY = process.env.ACCEPT_GROUND ?? '';

/** The scripts of the first stage that look at one hub from outside. */
const FIRST_STAGE = { short: ['01.4'], full: ['01.2', '01.4', '01.5', '01.7'] } as const;
const SCRIPT_LIMIT_MS = 10 * 60_000;

const script: AcceptScript = {
  id: '05.1',
  title: 'what held on one process and SQLite holds on every database, queue and number of processes',
  async run(report, scale) {
    const plan = scale === 'full' ? { kills: 50, acknowledged: 500 } : { kills: 5, acknowledged: 50 };
    const grounds = (scale === 'full' || ONLY ? ALL : PAIRS).filter(ground => nameOf(ground).includes(ONLY));
    if (grounds.length === 0) throw new Error(`ACCEPT_GROUND is part of none of: ${ALL.map(nameOf).join('; ')}`);
    for (const ground of grounds) {
      const name = nameOf(ground);
      await report.check(`${name}: ${plan.kills} kills -9 under load lose nothing`, () =>
        onGround(ground, async env => {
          const tally = await killLoop({ ...plan, quietMs: 40_000, ...(Object.keys(env).length > 0 && { env }) });
          const { kills, acknowledged, unheard, deliveries, ...wrong } = tally;
          assert.deepEqual(wrong, Object.fromEntries(Object.keys(wrong).map(field => [field, 0])), JSON.stringify(tally));
          return `${kills} kills, ${acknowledged} acknowledged, ${unheard} done but unheard, ${deliveries} deliveries`;
        }),
      );
      for (const id of FIRST_STAGE[scale])
        await report.check(`${name}: ${id} holds unchanged`, () => onGround(ground, env => firstStage(id, env)));
    }
  },
};

function nameOf({ database, queue, processes }: Ground): string {
  return `${database}, ${queue} queue, ${processes}`;
}

/** Does something with the settings of a hub on empty servers of its own. */
async function onGround(
  { database, queue, processes }: Ground,
  work: (env: Readonly<Record<string, string>>) => Promise<string>,
): Promise<string> {
  const services: Service[] = [];
  const started = async (service: Promise<Service>): Promise<string> => {
    services.push(await service);
    return services.at(-1)!.url;
  };
  try {
    return await work({
      ...(database === 'MariaDB' && { ENTREPOT_DATABASE__URL: await started(startMariadb()) }),
      ...(database === 'PostgreSQL' && { ENTREPOT_DATABASE__URL: await started(startPostgres()) }),
      ...(queue === 'BullMQ' && { ENTREPOT_REDIS__URL: await started(startRedis()) }),
      ...(processes === 'two workers' && { ENTREPOT_WORKERS: '2' }),
    });
  } finally {
    await Promise.all(services.map(service => service.stop()));
  }
}

async function firstStage(id: string, env: Readonly<Record<string, string>>): Promise<string> {
  const program = fileURLToPath(new URL('index.js', import.meta.url));
  const { code, output } = await run(process.execPath, [program, id], {
    env: { ...process.env, [HUB_SETTINGS]: JSON.stringify(env) },
    timeoutMs: SCRIPT_LIMIT_MS,
  });
  assert.equal(code, 0, output.slice(-2_000));
  return output.split('\n').at(-1) ?? '';
}

export default script;
