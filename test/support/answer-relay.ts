import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Stands between a client and a server on this machine, and can cut a connection when the server has done what it was asked, but not answered. */
export class Relay {
  /** How often it did. */
  cuts = 0;
  readonly #sockets = new Set<Socket>();
  #words: RegExp | undefined;

  private constructor(private readonly server: Server) {}

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  static async listen(target: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on('connection', client => relay.#join(client, target));
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  /** The next request that has `words` in it gets to the server, and its answer to nobody. */
  cutAfter(words: RegExp): void {
    this.#words = words;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise(resolve => this.server.close(resolve));
  }

  #join(client: Socket, port: number): void {
    const upstream = connect({ host: '127.0.0.1', port });
    let isCut = false;
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('data', data => {
      if (this.#words?.test(data.toString('latin1'))) {
        this.#words = undefined;
        this.cuts += 1;
        isCut = true;
        void sleep(200).then(() => client.destroy());
      }
      upstream.write(data);
    });
    upstream.on('data', data => {
      if (!isCut) client.write(data);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  }
}
