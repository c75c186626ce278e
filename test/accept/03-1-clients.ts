import { printTable } from '../bench/measures.js';
import { Clients } from '../support/clients.js';
import { FTP_CLIENTS, type FtpAccount, type FtpClientProgram } from '../support/ftp-clients.js';
import { ftpAccount, startFtpHub } from '../support/ftp-hub.js';
import type { HubProcess } from '../support/hub-process.js';
import { ClientBench, makeSources, type Sources, STEPS } from './client-bench.js';
import type { AcceptScript, Report, Scale } from './script.js';

type Way = readonly [tls: FtpAccount['tls'], data: FtpAccount['data']];

const script: AcceptScript = {
  id: '03.1.1',
  title: 'the FTP clients that people use put, get, resume, list, rename and delete, by every way to connect',
  async run(report, scale) {
    const clients = await Clients.create();
    const sources = await makeSources(clients.home);
    const table: string[][] = [['', ...STEPS]];
    const tests = Object.entries(FTP_CLIENTS).flatMap(([name, program]) => waysOf(program, scale).map(way => ({ name, program, way })));

    const hub = await startFtpHub();
    await hub.addUser('alice', 'correct-horse');
    for (const { name, program, way } of tests)
      await checkRow(report, table, hub, clients, sources, program, `${name}, ${describe(way)}`, way);
    await hub.stop();

    const strict = await startFtpHub({ ENTREPOT_PROTOCOLS__FTP__SESSION_REUSE: 'require' });
    await strict.addUser('alice', 'correct-horse');
    for (const [name, program] of Object.entries(FTP_CLIENTS).filter(([, { resumesSessions }]) => resumesSessions))
      await checkRow(report, table, strict, clients, sources, program, `${name}, sessionReuse: require`, ['explicit', 'extended']);
    await strict.stop();
    console.log('');
    printTable(table);
  },
};

async function checkRow(
  report: Report,
  table: string[][],
  hub: HubProcess,
  clients: Clients,
  sources: Sources,
  program: FtpClientProgram,
  title: string,
  way: Way,
): Promise<void> {
  await report.check(title, async () => {
    const account = ftpAccount(hub, 'alice', ...way);
    const row = await new ClientBench(hub, account, clients, `/client ${table.length}`, sources).row(() => program.make(clients, account));
    table.push([title, ...STEPS.map(step => row.get(step)?.slice(0, 12) ?? '-')]);
    const failed = [...row].filter(([, cell]) => cell.startsWith('FAIL'));
    if (failed.length > 0) throw new Error(failed.map(([step, cell]) => `${step}: ${cell}`).join('; '));
  });
}

/** The full form takes every pair, the short one each kind of TLS and of data connection once. */
function waysOf({ tls, data, plainWhenActive }: FtpClientProgram, scale: Scale): readonly Way[] {
  const all = tls.flatMap(kind => data.map(way => [kind, way] as const));
  const possible = all.filter(([kind, way]) => !(plainWhenActive && way === 'active' && kind !== 'none'));
  if (scale === 'full') return possible;
  const seen = new Set<string>();
  const fresh = (way: Way) => way.filter(word => !seen.has(word)).length;
  const chosen: Way[] = [];
  // Whoever shows most that is new, until nothing is.
  for (;;) {
    const next = possible.toSorted((one, other) => fresh(other) - fresh(one))[0];
    if (!next || fresh(next) === 0) return chosen;
    for (const word of next) seen.add(word);
    chosen.push(next);
  }
}

function describe([tls, data]: Way): string {
  return `${tls === 'none' ? 'plain' : tls}, ${data}`;
}

export default script;
