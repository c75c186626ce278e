import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { HubError, type OpenFlags, randomToken, type Transfer, toHubError } from '#core/api.js';
import type { Channel } from './channel.js';
import type { Client } from './client.js';
import type { Command } from './command.js';
import { Receiver, Sender } from './pumps.js';
import { Refusal, type Reply } from './replies.js';

/** Commands that move files (RFC 959, 3659). */
export const TRANSFER_COMMANDS: readonly Command[] = [
  { name: 'RETR', syntax: '<path>', description: 'Fetch a file', run: retrieve },
  { name: 'STOR', syntax: '<path>', description: 'Send a file', run: store },
  { name: 'APPE', syntax: '<path>', description: 'Send what comes after the end of a file', run: append },
  { name: 'STOU', syntax: '[<path>]', description: 'Send a file under a name that is free', run: storeUniquely },
  { name: 'REST', syntax: '<offset>', description: 'Begin the next transfer there', features: () => ['REST STREAM'], run: restart },
  { name: 'ABOR', syntax: '', description: 'Give up a transfer', run: abort },
];

async function retrieve(client: Client, argument: string): Promise<Reply> {
  const path = client.path(argument);
  const offset = client.takeRestart();
  client.requirePort();
  const transfer = await client.files.open(path, { read: true });
  try {
    if (offset > 0) await requireWithin(transfer, offset);
    const sender = new Sender(client.context.pool, transfer, offset, client.ascii);
    sender.prepare();
    await exchange(client, false, stream => sender.send(stream));
  } catch (error) {
    await transfer.abort(error);
    throw error;
  }
  await transfer.close();
  return [226, 'Transfer complete'];
}

async function store(client: Client, argument: string): Promise<Reply> {
  const path = client.path(argument);
  const offset = client.takeRestart();
  client.requirePort();
  if (offset === 0) {
    await receive(client, await client.files.open(path, { write: true, create: true, truncate: true }), 0);
  } else {
    const transfer = await client.files.open(path, { write: true, create: true });
    await resumeAt(client, transfer, offset);
  }
  return [226, 'Transfer complete'];
}

async function append(client: Client, argument: string): Promise<Reply> {
  const path = client.path(argument);
  client.takeRestart();
  client.requirePort();
  const transfer = await client.files.open(path, { write: true, create: true });
  await receive(client, transfer, await sizeOf(transfer));
  return [226, 'Transfer complete'];
}

async function storeUniquely(client: Client, argument: string): Promise<Reply> {
  client.takeRestart();
  client.requirePort();
  const flags = { write: true, create: true, exclusive: true, truncate: true };
  const [transfer, name] = await openUnique(client, argument, flags);
  await receive(client, transfer, 0, [150, `FILE: ${name}`]);
  return [226, `Transfer complete: ${name}`];
}

async function openUnique(client: Client, argument: string, flags: OpenFlags): Promise<[Transfer, name: string]> {
  if (argument !== '') {
    try {
      return [await client.files.open(client.path(argument), flags), argument];
    } catch (error) {
      if (toHubError(error).code !== 'already-exists') throw error;
    }
  }
  const name = `${argument || 'upload'}.${randomToken(6)}`;
  return [await client.files.open(client.path(name), flags), name];
}

async function resumeAt(client: Client, transfer: Transfer, offset: number): Promise<void> {
  let size: number;
  try {
    size = await requireWithin(transfer, offset);
  } catch (error) {
    await transfer.interrupt('The offset lies beyond the end');
    throw error;
  }
  await receive(client, transfer, offset, [150], async end => {
    // What the client sent is the rest of the file, all of it.
    if (end < size) await transfer.truncate(end);
  });
}

/** Takes an upload; it is published, and its event recorded, when this resolves. */
async function receive(
  client: Client,
  transfer: Transfer,
  position: number,
  announcement: Reply = [150],
  finish?: (end: number) => Promise<void>,
): Promise<void> {
  try {
    await exchange(
      client,
      true,
      async (stream, channel) => {
        const end = await new Receiver(client.context.pool, channel, transfer, position, client.ascii).receive(stream);
        // A client that is killed ends both connections at once: of the other one we hear in the same turn of the loop. And the event
        // is on its way to the database before the connection is closed.
        await setImmediate();
        channel.throwIfAborted();
        await finish?.(end);
      },
      announcement,
    );
  } catch (error) {
    await transfer.interrupt(toHubError(error).message);
    throw error;
  }
  await transfer.close();
}

/**
 * Runs `work` on the data connection that was agreed on. 150 goes out before the connection is there: some clients begin their TLS
 * handshake only when they have it. Throws 425 when there is no connection in time; 'aborted' when it breaks, or ABOR comes.
 */
export async function exchange(
  client: Client,
  receives: boolean,
  work: (stream: Socket | TLSSocket, channel: Channel) => Promise<void>,
  announcement: Reply = [150],
): Promise<void> {
  const channel = client.beginTransfer();
  client.line.send(announcement);
  try {
    const stream = await channel.open(receives).catch(noConnection);
    await work(stream, channel);
    channel.close();
  } catch (error) {
    channel.drop();
    throw error;
  } finally {
    client.endTransfer();
  }
}

function noConnection(error: unknown): never {
  const failure = toHubError(error);
  throw failure.code === 'aborted' ? failure : new Refusal(425, failure.message);
}

async function sizeOf(transfer: Transfer): Promise<number> {
  try {
    return (await transfer.stat()).size;
  } catch (error) {
    await transfer.interrupt(toHubError(error).message);
    throw error;
  }
}

async function requireWithin(transfer: Transfer, offset: number): Promise<number> {
  const { size } = await transfer.stat();
  if (offset > size) throw new Refusal(554, `The file ends at ${size}`);
  return size;
}

function restart(client: Client, argument: string): Reply {
  const offset = /^\d{1,19}$/.test(argument) ? Number(argument) : Number.NaN;
  if (Number.isNaN(offset)) return [501, 'Expected a number of bytes'];
  if (!Number.isSafeInteger(offset)) return [554, 'No file is that long'];
  if (client.ascii && offset > 0) return [504, 'A text cannot be resumed: TYPE I first'];
  client.restart = offset;
  return [350, `The next transfer begins at ${offset}`];
}

/** A transfer that runs was told already, and has answered. */
function abort(client: Client): Reply {
  client.restart = 0;
  return client.closePort() ? [226, 'The data connection is closed'] : [226, 'Nothing is under way'];
}

/** What ABOR tells a transfer that runs. */
export function abortedByClient(): HubError {
  return new HubError('aborted', 'Transfer aborted');
}
