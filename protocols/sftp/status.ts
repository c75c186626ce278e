import type { ErrorCode, HubError } from '#core/api.js';
import { PACKET, packet, stringField, uint32Field } from './packets.js';

/** Status codes of version 3 (draft-ietf-secsh-filexfer-02, section 7). */
export const STATUS = {
  OK: 0,
  EOF: 1,
  NO_SUCH_FILE: 2,
  PERMISSION_DENIED: 3,
  FAILURE: 4,
  BAD_MESSAGE: 5,
  CONNECTION_LOST: 7,
  OP_UNSUPPORTED: 8,
} as const;

const STATUS_OF = {
  'invalid-request': STATUS.BAD_MESSAGE,
  'authentication-failed': STATUS.PERMISSION_DENIED,
  'second-factor-required': STATUS.PERMISSION_DENIED,
  'permission-denied': STATUS.PERMISSION_DENIED,
  'not-found': STATUS.NO_SUCH_FILE,
  'already-exists': STATUS.FAILURE,
  'not-a-directory': STATUS.NO_SUCH_FILE,
  'is-a-directory': STATUS.FAILURE,
  'directory-not-empty': STATUS.FAILURE,
  'quota-exceeded': STATUS.FAILURE,
  'too-large': STATUS.FAILURE,
  locked: STATUS.FAILURE,
  conflict: STATUS.FAILURE,
  unsupported: STATUS.OP_UNSUPPORTED,
  'rate-limited': STATUS.FAILURE,
  'too-many-sessions': STATUS.FAILURE,
  unavailable: STATUS.FAILURE,
  aborted: STATUS.CONNECTION_LOST,
  internal: STATUS.FAILURE,
} as const satisfies Record<ErrorCode, number>;

/** A STATUS reply. */
export function statusReply(id: number, code: number, message: string): Buffer {
  return packet(PACKET.STATUS, id, uint32Field(code), stringField(message), stringField(''));
}

/** The STATUS reply for what went wrong, with its message, which is safe to show. */
export function failureReply(id: number, error: HubError): Buffer {
  return statusReply(id, STATUS_OF[error.code], error.message);
}

const SUCCESS = statusReply(0, STATUS.OK, 'Success');

/** The STATUS reply for what went well. */
export function successReply(id: number): Buffer {
  const reply = Buffer.from(SUCCESS);
  reply.writeUInt32BE(id, 5);
  return reply;
}

/** The STATUS reply at the end of a file or a listing. */
export function endReply(id: number): Buffer {
  return statusReply(id, STATUS.EOF, 'End of file');
}
