import { ControlClient } from '#core/control.js';
import { until } from './children.js';
import type { HubProcess } from './hub-process.js';

/** One process of a hub of several: 'jobs', 'serve 0'… */
export interface PartProcess {
  readonly name: string;
  readonly pid: number;
}

/** Those of a hub that is started with `ENTREPOT_WORKERS`, but for the primary; empty for a hub of one process. */
export async function processesOf({ dataDirectory }: Pick<HubProcess, 'dataDirectory'>): Promise<readonly PartProcess[]> {
  const client = await ControlClient.connect(dataDirectory);
  if (!client) return [];
  try {
    return ((await client.call('hub.status', {}, 5_000)) as { processes?: readonly PartProcess[] }).processes ?? [];
  } finally {
    client.close();
  }
}

/** kill -9 of one process of a hub. Resolves when another has taken its place and does its part. */
export async function killPart(hub: Pick<HubProcess, 'dataDirectory'>, part: PartProcess): Promise<PartProcess> {
  process.kill(part.pid, 'SIGKILL');
  return replaced(hub, part);
}

/** The process that takes the place of one that was killed, once it does its part. */
export function replaced(hub: Pick<HubProcess, 'dataDirectory'>, { name, pid }: PartProcess): Promise<PartProcess> {
  return until(`'${name}' is replaced`, async () =>
    (await processesOf(hub).catch(() => [])).find(other => other.name === name && other.pid !== pid),
  );
}
