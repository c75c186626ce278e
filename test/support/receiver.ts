import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

/** A request as the receiver got it. */
export interface Received {
  readonly id: string;
  readonly at: number;
  /** The status that it was answered with. */
  readonly status: number;
  /** Whether the Standard Webhooks signature was right, by the reference library. */
  readonly verified: boolean;
  readonly body: CloudEvent;
}

/** The parts of an event that the checks look at. */
export interface CloudEvent {
  readonly specversion: string;
  readonly id: string;
  readonly type: string;
  readonly data: {
    readonly path?: string;
    readonly size?: number;
    readonly session?: { readonly user: string };
    readonly [field: string]: unknown;
  };
}

/** Gives the status for the `attempt`-th request (from 1) with the same id; or takes the answer into its own hands and gives 0. */
export type Plan = (received: { readonly id: string; readonly attempt: number }, response: ServerResponse) => number;

/** A webhook endpoint that verifies each delivery and answers as planned. */
export class Receiver {
  readonly received: Received[] = [];
  readonly #attempts = new Map<string, number>();
  #webhook: Webhook | undefined;

  private constructor(
    private readonly server: Server,
    readonly url: string,
    private readonly plan: Plan,
  ) {}

  /** Listens on a free port of 127.0.0.1. Answers 200 to all unless `plan` says otherwise. */
  static async listen(plan: Plan = () => 200): Promise<Receiver> {
    const server = createServer((request, response) => {
      void receiver.#answer(request, response);
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const receiver = new Receiver(server, `http://127.0.0.1:${port}/hook`, plan);
    return receiver;
  }

  /** Verifies from now on with this secret (`whsec_…`). Until then nothing is verified. */
  trust(secret: string): void {
    this.#webhook = new Webhook(secret);
  }

  /** Those that were answered with 2xx, of one event type. */
  accepted(type: string): Received[] {
    return this.received.filter(received => received.body.type === type && received.status >= 200 && received.status < 300);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise(resolve => this.server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    request.on('error', () => {});
    response.on('error', () => {});
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // The sender went away in the middle: nothing was received.
    }
    const text = Buffer.concat(chunks).toString();
    const id = String(request.headers['webhook-id']);
    const attempt = (this.#attempts.get(id) ?? 0) + 1;
    this.#attempts.set(id, attempt);
    const status = this.plan({ id, attempt }, response);
    this.received.push({ id, at: Date.now(), status, verified: this.#verify(text, request), body: JSON.parse(text) });
    if (status !== 0) response.writeHead(status, { 'content-type': 'text/plain' }).end(status < 300 ? 'thank you' : 'not now');
  }

  #verify(text: string, request: IncomingMessage): boolean {
    try {
      this.#webhook?.verify(text, {
        'webhook-id': String(request.headers['webhook-id']),
        'webhook-timestamp': String(request.headers['webhook-timestamp']),
        'webhook-signature': String(request.headers['webhook-signature']),
      });
      return this.#webhook !== undefined;
    } catch {
      return false;
    }
  }
}
