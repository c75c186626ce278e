import { parentPort, workerData } from 'node:worker_threads';
import { Connection, wireError } from './sqlite-connection.js';
import type { Answer, Request, SqliteOptions } from './sqlite-messages.js';

const BUSY_TIMEOUT_MS = 5_000;

function main(port: NonNullable<typeof parentPort>): void {
  const answer = (answers: readonly Answer[]): void => port.postMessage(answers);
  try {
    const connection = new Connection(workerData as SqliteOptions, BUSY_TIMEOUT_MS, answer);
    port.on('message', (request: Request) => {
      connection.handle(request);
      if (request.kind === 'close') port.close();
    });
    answer([{ id: 0 }]);
  } catch (error) {
    answer([{ id: 0, error: wireError(error) }]);
    port.close();
  }
}

if (parentPort) main(parentPort);
