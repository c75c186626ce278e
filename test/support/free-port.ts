import { createServer } from 'node:net';

/** A port of 127.0.0.1 on which nothing listens at this moment. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>(listening => probe.listen(0, '127.0.0.1', listening));
  const { port } = probe.address() as { readonly port: number };
  await new Promise(closed => probe.close(closed));
  return port;
}
