import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a server of 127.0.0.1 that can be cut, and that can fall silent. */
export class Relay {
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  #silent = false;
  #hold: { readonly text: string; readonly nth: number; readonly timeMs: number } | undefined;

  constructor(private readonly target: number) {}

  /** Where clients connect; the same after each start. */
  get port(): number {
    return this.#port;
  }

  /** Begins to accept clients. */
  async start(): Promise<this> {
    this.#silent = false;
    const server = createServer(client => this.#join(client));
    await new Promise<void>(resolve => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  /** As when the server is killed: connections break, and new ones are refused. */
  async stop(): Promise<void> {
    const closed = new Promise(resolve => (this.#server ? this.#server.close(resolve) : resolve(undefined)));
    this.#server = undefined;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  /** Accepts no more clients; those that are there stay. */
  refuse(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** Holds back for `timeMs` what a client sends from the `nth` piece on that holds `text`, counted for each connection; once. */
  holdAt(text: string, nth: number, timeMs: number): void {
    this.#hold = { text, nth, timeMs };
  }

  /** From now on nothing is passed on; clients are accepted all the same. */
  fallSilent(): void {
    this.#silent = true;
  }

  #join(client: Socket): void {
    const server = connect(this.target, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      let pieces = 0;
      from.on('data', chunk => {
        if (this.#silent) return;
        const hold = from === client ? this.#hold : undefined;
        if (!hold || !chunk.includes(hold.text) || ++pieces < hold.nth) {
          to.write(chunk);
          return;
        }
        this.#hold = undefined;
        from.pause();
        setTimeout(() => {
          to.write(chunk);
          from.resume();
        }, hold.timeMs);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }
}
