import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { makeSelfSigned } from '#core/tls/self-signed.js';

const DAY_MS = 86_400_000;
const PORTS = 12;

/** What is used of ftp-srv. */
interface FtpSrv {
  on(event: 'login', listener: (login: object, accept: (options: { readonly root: string }) => void) => void): void;
  listen(): Promise<unknown>;
}

// ftp-srv as it is, for TEST_ROOT: what the checks of hostile traffic must catch. Prints its port.
const Server = createRequire(import.meta.url)('ftp-srv') as new (options: object) => FtpSrv;
const probe = createServer().listen(0, '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address() as AddressInfo;
await new Promise(closed => probe.close(closed));
const pem = await makeSelfSigned({ names: ['localhost'], notBefore: new Date(), notAfter: new Date(Date.now() + DAY_MS) });
const first = 22_000 + (process.pid % 500) * PORTS;
const server = new Server({
  url: `ftp://127.0.0.1:${port}`,
  pasv_url: '127.0.0.1',
  pasv_min: first,
  pasv_max: first + PORTS - 1,
  tls: { key: pem, cert: pem },
  log: quiet(),
});
server.on('login', (_login, accept) => accept({ root: process.env.TEST_ROOT ?? '' }));
await server.listen();
console.log(port);

function quiet(): object {
  const silent: Record<string, unknown> = Object.fromEntries(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map(level => [level, () => {}]),
  );
  return { ...silent, child: quiet };
}
