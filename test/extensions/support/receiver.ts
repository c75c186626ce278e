import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';

/** A request as a receiver saw it. */
export interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An HTTP server on a free port of 127.0.0.1, closed with the test. */
export interface Receiver {
  readonly url: string;
  readonly port: number;
  readonly received: readonly Received[];
}

/** Starts a receiver that answers each request with `answer`. */
export async function startReceiver(
  t: ExecutionContext,
  answer: (response: ServerResponse, request: IncomingMessage) => void = response => void response.writeHead(204).end(),
): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    received.push({ method, url, headers, body: await text(request) });
    answer(response, request);
  });
  const port = await listen(t, server);
  return { url: `http://127.0.0.1:${port}/hook`, port, received };
}

/** Starts a server that does with a raw connection what it likes. Returns its port. */
export async function startTcp(t: ExecutionContext, serve: (socket: Socket) => void): Promise<number> {
  const server = createTcpServer(socket => {
    socket.on('error', () => {});
    serve(socket);
  });
  return listen(t, server);
}

async function listen(t: ExecutionContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}
