import { createRequire } from 'node:module';
import test from 'ava';
import { takeMessagesWhileRekeying } from '#protocols/sftp/rekeying.js';

type Payload = Buffer;
interface Protocol {
  _decipher?: { _onPayload(payload: Payload): unknown };
}

// What ssh2 looks messages up in, by their number (RFC 4253, section 12).
const handlers = createRequire(import.meta.url)('ssh2/lib/protocol/handlers.js') as ((protocol: Protocol, payload: Payload) => unknown)[];
const [DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, SERVICE_REQUEST, KEXINIT, NEWKEYS, KEX_REPLY, LAST_OF_KEX, CHANNEL_DATA, UNUSED] = [
  1, 2, 3, 4, 5, 20, 21, 31, 49, 94, 250,
];

const seen: string[] = [];
/** ssh2's own, which has a decipher of its own take what follows. */
handlers[KEXINIT] = protocol => {
  seen.push('exchange begins');
  protocol._decipher = {
    _onPayload: payload => {
      seen.push(`exchange takes ${payload[0]}`);
      return payload[0] !== NEWKEYS;
    },
  };
};
for (const type of [IGNORE, UNIMPLEMENTED, DEBUG, CHANNEL_DATA]) {
  handlers[type] = (_, payload) => {
    seen.push(`connection takes ${payload[0]}`);
    return `from ${type}`;
  };
}

function exchange(): (type: number) => unknown {
  const protocol: Protocol = {};
  handlers[KEXINIT]!(protocol, Buffer.of(KEXINIT));
  seen.length = 0;
  return type => protocol._decipher!._onPayload(Buffer.of(type));
}

test.serial('what a client may send at any time, or had begun to send, reaches the connection while keys are exchanged', t => {
  t.true(takeMessagesWhileRekeying());
  const take = exchange();
  for (const type of [IGNORE, UNIMPLEMENTED, DEBUG, CHANNEL_DATA]) t.is(take(type), `from ${type}`);
  t.deepEqual(
    seen,
    [IGNORE, UNIMPLEMENTED, DEBUG, CHANNEL_DATA].map(type => `connection takes ${type}`),
  );
});

test.serial('what belongs to the exchange stays with it, and its end is passed on', t => {
  takeMessagesWhileRekeying();
  const take = exchange();
  for (const type of [DISCONNECT, SERVICE_REQUEST, KEXINIT, KEX_REPLY, LAST_OF_KEX]) t.true(take(type));
  t.false(take(NEWKEYS));
  t.deepEqual(
    seen,
    [DISCONNECT, SERVICE_REQUEST, KEXINIT, KEX_REPLY, LAST_OF_KEX, NEWKEYS].map(type => `exchange takes ${type}`),
  );
});

test.serial('a message that nobody knows is passed over', t => {
  takeMessagesWhileRekeying();
  t.is(exchange()(UNUSED), undefined);
  t.deepEqual(seen, []);
});

test.serial('asking twice changes nothing more', t => {
  takeMessagesWhileRekeying();
  const before = handlers[KEXINIT];
  t.true(takeMessagesWhileRekeying());
  t.is(handlers[KEXINIT], before);
});
