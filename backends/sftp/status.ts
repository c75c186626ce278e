import { type ErrorCode, HubError } from '#core/api.js';
import { PACKET, ReplyReader } from './packets.js';

/** Status codes of version 3, and of later ones that servers send all the same. */
export const STATUS = { OK: 0, EOF: 1, NO_SUCH_FILE: 2, FAILURE: 4 } as const;

const MEANING: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  2: ['not-found', 'No such file or directory'],
  3: ['permission-denied', 'Permission denied by the storage'],
  5: ['invalid-request', 'The SFTP server takes it for a bad request'],
  6: ['unavailable', 'The SFTP server is not connected to its store'],
  7: ['unavailable', 'The SFTP server is not connected to its store'],
  8: ['unsupported', 'Not supported by the storage'],
  10: ['not-found', 'No such file or directory'],
  11: ['already-exists', 'Already exists'],
  12: ['permission-denied', 'The storage is read-only'],
  14: ['unavailable', 'No space left on the storage'],
  15: ['quota-exceeded', 'Disk quota of the storage exceeded'],
  17: ['locked', 'Locked by another program'],
  18: ['directory-not-empty', 'Directory not empty'],
  19: ['not-a-directory', 'Not a directory'],
  20: ['invalid-request', 'Name not allowed'],
  24: ['is-a-directory', 'Is a directory'],
};

/** One answer of a server: its type, and a reader behind its id. */
export interface Reply {
  readonly type: number;
  readonly body: ReplyReader;
}

/** A refusal by the server, with the status that it gave. */
export class Refusal extends HubError {
  constructor(readonly status: number) {
    const [code, message] = MEANING[status] ?? (['unavailable', 'The SFTP server could not do it'] as const);
    super(code, message);
  }
}

/** `reply` when it is of `type`. Throws the Refusal that it is instead, or 'unavailable' for one that makes no sense here. */
export function expected(reply: Reply, type: number): ReplyReader {
  if (reply.type === type) return reply.body;
  if (reply.type === PACKET.STATUS) throw new Refusal(reply.body.uint32());
  throw senseless();
}

/** Like expected(), for lists that end: undefined at the end. */
export function unlessEnd(reply: Reply, type: number): ReplyReader | undefined {
  if (reply.type !== PACKET.STATUS) return expected(reply, type);
  const status = reply.body.uint32();
  if (status === STATUS.EOF) return undefined;
  throw new Refusal(status);
}

/** Throws the Refusal unless the server has done it; `failure` is what it means here when it says only that it failed. */
export function succeeded(reply: Reply, failure?: () => HubError): void {
  if (reply.type !== PACKET.STATUS) throw senseless();
  const status = reply.body.uint32();
  if (status === STATUS.FAILURE && failure) throw failure();
  if (status !== STATUS.OK) throw new Refusal(status);
}

function senseless(): HubError {
  return new HubError('unavailable', 'The SFTP server sent an answer that does not belong to its request');
}
