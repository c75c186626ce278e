import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';

/** How a relay stands before a hub. */
export interface ProxyRelayOptions {
  readonly target: number;
  /** What it says at the start of each connection. */
  readonly header: Buffer;
  /** The address it listens on, and the one it comes from: those that are trusted are such ones. */
  readonly host?: string;
  readonly from?: string;
  /** Unless any free one will do. */
  readonly port?: number;
  /** Holds the header back until the client has said something, and sends both in one piece. */
  readonly together?: boolean;
}

/** A load balancer that sends the PROXY protocol; stopped at the end of the test. Gives its port. Throws when that is in use. */
export async function startProxyRelay(t: ExecutionContext, options: ProxyRelayOptions): Promise<number> {
  const { target, header, host = '127.0.0.1', from = '127.0.0.2', port = 0, together = false } = options;
  const sockets = new Set<Socket>();
  const server = createServer(client => {
    const hub = connect({ host: '127.0.0.1', port: target, localAddress: from, noDelay: true });
    for (const socket of [client, hub]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        hub.destroy();
      });
    }
    if (!together) hub.write(header);
    else client.once('data', first => hub.write(Buffer.concat([header, first])));
    if (!together) client.pipe(hub);
    else client.once('data', () => client.pipe(hub));
    hub.pipe(client);
  });
  await once(server.listen(port, host), 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}
