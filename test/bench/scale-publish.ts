import { median } from './measures.js';
import { acknowledgements } from './sftp-costs.js';

const UNRECORDED = { ENTREPOT_EVENTS__RECORD: '[]' };
/** The hubs of a server use one database after the other. */
const ONE_KEY = { ENTREPOT_SECRETS__KEY: Buffer.alloc(32, 'bench').toString('base64') };

/** What an upload's event costs its client: the acknowledgement of 4 KiB with events less the one without, by database and durability; as rows. */
export async function publishCost(
  rounds: number,
  databases: Readonly<Record<string, Readonly<Record<string, string>>>>,
): Promise<string[][]> {
  const rows: string[][] = [];
  for (const [name, settings] of Object.entries(databases)) {
    const env = { ...settings, ...ONE_KEY };
    for (const durability of ['process', 'disk'] as const) {
      const [on, off]: [number[], number[]] = [[], []];
      for (let round = 0; round < Math.min(rounds, 3); round += 1) {
        on.push((await acknowledgements(durability, env)).p50);
        off.push((await acknowledgements(durability, { ...env, ...UNRECORDED })).p50);
      }
      const [recorded, unrecorded] = [median(on), median(off)];
      rows.push([
        `acknowledgement of a 4 KiB upload, ${name}, durability ${durability}`,
        `${recorded.toFixed(2)} ms (${unrecorded.toFixed(2)} without events)`,
        '',
        `its event: ${(recorded - unrecorded).toFixed(2)} ms`,
      ]);
    }
  }
  return rows;
}
