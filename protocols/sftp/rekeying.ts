import { createRequire } from 'node:module';
import { isKnownSsh2 } from './transport.js';

/** SSH_MSG numbers (RFC 4253, section 12): IGNORE, UNIMPLEMENTED and DEBUG lie between the first two. */
const [DISCONNECT, SERVICE_REQUEST, KEXINIT, LAST_OF_KEX] = [1, 5, 20, 49];

/** What it gives tells the decipher whether to go on: at NEWKEYS another one takes over, and this one is freed. */
type Take = (payload: Buffer) => unknown;
type MessageHandler = (protocol: Protocol, payload: Buffer) => unknown;

interface Protocol {
  readonly _decipher?: { _onPayload: Take };
}

const require = createRequire(import.meta.url);
let isDone = false;

/**
 * Lets clients go on sending while keys are exchanged anew, until they use the new ones. IGNORE and DEBUG they may send at
 * any time (RFC 4253, section 11): strict key exchange forbids them in the first exchange only (OpenSSH's PROTOCOL, section
 * 1.10). asyncssh also sends what it had begun, which OpenSSH's server takes. ssh2 drops them for either. False, with
 * nothing done, where ssh2 is not as it was.
 */
export function takeMessagesWhileRekeying(): boolean {
  if (isDone) return true;
  const handlers = isKnownSsh2() ? (require('ssh2/lib/protocol/handlers.js') as (MessageHandler | undefined)[]) : [];
  // The first KEXINIT of a connection does not come this way.
  const begin = handlers[KEXINIT];
  if (typeof begin !== 'function') return false;
  handlers[KEXINIT] = (protocol, payload) => {
    begin(protocol, payload);
    const decipher = protocol._decipher;
    const take = decipher?._onPayload;
    if (!decipher || typeof take !== 'function') return;
    decipher._onPayload = message => {
      const type = message[0] ?? 0;
      const isOther = (type > DISCONNECT && type < SERVICE_REQUEST) || type > LAST_OF_KEX;
      return isOther ? handlers[type]?.(protocol, message) : take(message);
    };
  };
  isDone = true;
  return true;
}
