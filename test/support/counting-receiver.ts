import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

// A webhook endpoint as a process of its own that does nothing but count, so that a bench measures the hub and not the receiver.
// Tells its parent where it listens. 'reset' forgets, 'tell' makes it send its figures. `silent` in the arguments: it never answers.
const silent = process.argv.includes('silent');
const ids = new Set<string>();
const arrivedAt: number[] = [];

const server = createServer((request, response) => {
  const { 'webhook-id': id } = request.headers;
  request.resume().once('end', () => {
    if (silent) return;
    ids.add(String(id));
    arrivedAt.push(Date.now());
    response.end();
  });
});

process.on('message', message => {
  if (message === 'reset') {
    ids.clear();
    arrivedAt.length = 0;
  }
  if (message === 'tell') process.send?.({ ids: ids.size, arrivedAt });
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
