import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { start, temporaryFolder, until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { freePort } from '../support/free-port.js';
import { runLftp } from '../support/ftp-clients.js';
import { HubProcess, REPOSITORY } from '../support/hub-process.js';
import { Lacking, tool } from '../support/tools.js';

const PASSWORD = 'correct-horse';
/** Where clients come from; the balancer comes from elsewhere. */
const CLIENT = '127.0.0.1';
const BALANCER = '127.0.0.9';
/** The data ports of the hubs are the balancer's as well, so these have another address. */
const FTP_HOST = '127.0.0.10';

test('the load balancer of .deploy before two hubs: the true address over SFTP, FTP and its data, the web; no client to a hub that stops', async t => {
  let program: string;
  try {
    program = tool('haproxy');
  } catch (error) {
    if (!(error instanceof Lacking)) throw error;
    t.log(error.message);
    t.pass();
    return;
  }
  const passive = 21_000 + Math.floor(Math.random() * 9_000);
  const ranges = [`${passive}-${passive + 9}`, `${passive + 10}-${passive + 19}`] as const;
  const hubs = await Promise.all(
    ranges.map((range, index) =>
      HubProcess.start({
        env: {
          ENTREPOT_NODE: `hub-${index + 1}`,
          ENTREPOT_PROXY_PROTOCOL__TRUSTED: JSON.stringify([BALANCER]),
          ENTREPOT_PROTOCOLS__FTP__HOST: FTP_HOST,
          ENTREPOT_PROTOCOLS__FTP__PASSIVE__PORTS: range,
          ENTREPOT_PROTOCOLS__WEB__TLS: 'always',
          ENTREPOT_SHUTDOWN__READINESS_DELAY: '8s',
        },
      }),
    ),
  );
  t.teardown(() => Promise.all(hubs.map(hub => hub.kill())));
  for (const hub of hubs) await hub.addUser('alice', PASSWORD);

  const ports = { sftp: await freePort(), ftp: await freePort(), web: await freePort() };
  const folder = await temporaryFolder('haproxy');
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'haproxy.cfg');
  await writeFile(file, configuration(folder, hubs, ports, ranges));
  const balancer = start(program, ['-f', file, '-db'], { stdio: 'ignore' });
  t.teardown(() => balancer.kill('SIGKILL'));
  await until('the balancer passes connections on', () => greets(ports.sftp));
  // The first look at a hub loads its web server.
  for (const name of ['hub-1', 'hub-2'])
    await until(`${name} is ready`, async () => (await states(join(folder, 'stats'), name)).every(state => state === 'UP'));

  const clients = await Clients.create();
  await writeFile(join(clients.home, 'report.csv'), 'id;amount\n');
  const put = () =>
    clients.sftp({ port: ports.sftp, user: 'alice', password: PASSWORD }, [`put ${join(clients.home, 'report.csv')} sftp.csv`]);
  for (let round = 0; round < 2; round++) {
    const { code, output } = await put();
    t.is(code, 0, output);
  }
  for (let round = 0; round < 2; round++) {
    const account = { port: ports.ftp, user: 'alice', password: PASSWORD, tls: 'explicit', data: 'extended' } as const;
    const { code, output } = await runLftp(
      clients,
      account,
      [`put ${join(clients.home, 'report.csv')} -o ftp.csv`, 'cat ftp.csv'],
      ['set ftp:ssl-protect-data yes'],
    );
    t.is(code, 0, output);
    t.regex(output, /id;amount/);
  }
  const addresses = async (hub: HubProcess) => {
    const { items } = await hub.json<{ items: readonly Sent[] }>(['events', 'list', '--type', 'upload.completed']);
    return items.map(({ data }) => data.session);
  };
  const seen = (await Promise.all(hubs.map(addresses))).flat();
  t.deepEqual([...new Set(seen.map(({ remoteAddress }) => remoteAddress))], [CLIENT]);
  t.deepEqual([...new Set(seen.map(({ protocol }) => protocol))].sort(), ['ftp', 'sftp']);

  const [leaving, staying] = hubs as [HubProcess, HubProcess];
  const before = (await addresses(staying)).length;
  const stopped = leaving.stop();
  await until(
    'the balancer has noticed',
    async () => (await states(join(folder, 'stats'), 'hub-1')).every(state => state === 'DOWN'),
    7_000,
  );
  for (let round = 0; round < 3; round++) {
    const { code, output } = await put();
    t.is(code, 0, output);
  }
  t.is((await addresses(staying)).length, before + 3);
  t.is(await stopped, 0);
  t.is((await put()).code, 0);
});

interface Sent {
  readonly data: { readonly session: { readonly remoteAddress: string; readonly protocol: string } };
}

/** The shipped configuration, with the ports and addresses of this test in place of those of the network of compose.yaml. */
function configuration(
  folder: string,
  hubs: readonly HubProcess[],
  ports: Readonly<Record<'sftp' | 'ftp' | 'web', number>>,
  ranges: readonly string[],
): string {
  let text = readFileSync(join(REPOSITORY, '.deploy/haproxy.cfg'), 'utf8');
  const put = (from: string | RegExp, to: string) => {
    const changed = text.replaceAll(from, to);
    if (changed === text) throw new Error(`haproxy.cfg holds no ${from}`);
    text = changed;
  };
  put('    maxconn 20000', `    maxconn 200\n    stats socket ${folder}/stats`);
  put('inter 2s', 'inter 500ms');
  put('bind :50000-50049', `bind 127.0.0.1:${ranges[0]}`);
  put('bind :50050-50099', `bind 127.0.0.1:${ranges[1]}`);
  put('bind :2022', `bind 127.0.0.1:${ports.sftp}`);
  put('bind :2021', `bind 127.0.0.1:${ports.ftp}`);
  put('bind :8080', `bind 127.0.0.1:${ports.web}`);
  put('default-server send-proxy-v2', `default-server source ${BALANCER} send-proxy-v2`);
  hubs.forEach((hub, index) => {
    const name = `hub-${index + 1}`;
    for (const [protocol, port] of [
      ['sftp', 2022],
      ['ftp', 2021],
      ['web', 8080],
    ] as const) {
      const there = hub.portOf(protocol, protocol === 'web');
      const host = protocol === 'ftp' ? FTP_HOST : '127.0.0.1';
      put(`server ${name} ${name}:${port}`, `server ${name} ${host}:${there} port ${hub.portOf('web', true)} addr 127.0.0.1`);
    }
    put(`server ${name} ${name}\n`, `server ${name} ${FTP_HOST} port ${hub.portOf('web', true)} addr 127.0.0.1\n`);
  });
  return text;
}

/** What the balancer says of a node, for each thing that it passes on. */
async function states(socketFile: string, server: string): Promise<readonly string[]> {
  const socket = connect(socketFile);
  socket.end('show stat\n');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  const [head, ...rows] = text.split('\n').map(line => line.replace(/^# /, '').split(','));
  const found = rows.filter(row => row[head!.indexOf('svname')] === server).map(row => row[head!.indexOf('status')]!);
  return found.length > 0 ? found : ['unknown'];
}

/** Whether an SSH server answers at `port`. */
function greets(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    const decide = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', data => decide(/^SSH-2\.0/.test(String(data)))).on('error', () => decide(false));
    socket.on('close', () => resolve(false));
  });
}
