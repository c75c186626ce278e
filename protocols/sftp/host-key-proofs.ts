import { createRequire } from 'node:module';
import ssh2, { type ParsedKey, type Connection as SshConnection } from 'ssh2';
import type { HostKey } from './host-keys.js';
import { PacketReader, stringField } from './packets.js';
import { isKnownSsh2 } from './transport.js';

const GLOBAL_REQUEST = 80;
const ANNOUNCEMENT = 'hostkeys-00@openssh.com';
const PROOF = 'hostkeys-prove-00@openssh.com';
/** A client asks once; each proof by RSA costs a millisecond. */
const MAX_PROOFS = 4;

type GlobalRequest = (protocol: unknown, name: string, wantsReply: boolean, data: unknown) => void;

/** ssh2's private parts that are used here, beside those of `transport.ts`. */
interface Internals {
  readonly _handlers: { GLOBAL_REQUEST: GlobalRequest };
  readonly _kex: { readonly sessionID: Buffer; readonly negotiated: { readonly serverHostKey: string } };
  readonly _packetRW: { readonly write: { readonly allocStart: number; alloc(bytes: number): Buffer; finalize(packet: Buffer): Buffer } };
  requestSuccess(data: Buffer): void;
  requestFailure(): void;
}

interface Utilities {
  sendPacket(protocol: Internals, packet: Buffer): void;
}

const require = createRequire(import.meta.url);

/**
 * Tells a client that has logged in all of `keys`, and proves on its request that they are the server's (`hostkeys-00@openssh.com` in
 * OpenSSH's PROTOCOL), so that it can remember keys before they are offered. False, with nothing said, where ssh2 is not as it was.
 */
export function announceHostKeys(connection: SshConnection, keys: readonly HostKey[]): boolean {
  const protocol = internalsOf(connection);
  if (!protocol) return false;
  const known = new Map(keys.map(key => [blobOf(key).toString('base64'), key]));
  let proofs = 0;
  const { GLOBAL_REQUEST: others } = protocol._handlers;
  protocol._handlers.GLOBAL_REQUEST = (from, name, wantsReply, data) => {
    if (name !== PROOF || !wantsReply) return others(from, name, wantsReply, data);
    proofs += 1;
    const proof = proofs <= MAX_PROOFS && Buffer.isBuffer(data) ? prove(data, known, protocol._kex) : undefined;
    if (proof) protocol.requestSuccess(proof);
    else protocol.requestFailure();
  };
  send(protocol, Buffer.concat([stringField(ANNOUNCEMENT), Buffer.from([0]), ...keys.map(key => stringField(blobOf(key)))]));
  return true;
}

function internalsOf(connection: unknown): Internals | undefined {
  if (!isKnownSsh2()) return undefined;
  const { _protocol: protocol } = connection as { _protocol?: Partial<Internals> };
  const asExpected =
    typeof protocol?._handlers?.GLOBAL_REQUEST === 'function' &&
    Buffer.isBuffer(protocol._kex?.sessionID) &&
    typeof protocol._kex.negotiated?.serverHostKey === 'string' &&
    typeof protocol._packetRW?.write.alloc === 'function' &&
    typeof protocol._packetRW.write.finalize === 'function' &&
    typeof protocol.requestSuccess === 'function' &&
    typeof protocol.requestFailure === 'function';
  return asExpected ? (protocol as Internals) : undefined;
}

function send(protocol: Internals, fields: Buffer): void {
  const { sendPacket } = require('ssh2/lib/protocol/utils.js') as Utilities;
  const { write } = protocol._packetRW;
  const packet = write.alloc(1 + fields.length);
  packet[write.allocStart] = GLOBAL_REQUEST;
  packet.set(fields, write.allocStart + 1);
  sendPacket(protocol, write.finalize(packet));
}

/** A signature by each key that is named in `asked`, in that order. Undefined when one is not the server's. */
function prove(asked: Buffer, known: ReadonlyMap<string, HostKey>, { sessionID, negotiated }: Internals['_kex']): Buffer | undefined {
  const reader = new PacketReader(asked);
  const signatures: Buffer[] = [];
  try {
    while (reader.left > 0 && signatures.length < known.size) {
      const blob = reader.string();
      const key = known.get(blob.toString('base64'));
      if (!key) return undefined;
      const data = Buffer.concat([stringField(PROOF), stringField(sessionID), stringField(blob)]);
      signatures.push(stringField(signature(key, data, negotiated.serverHostKey)));
    }
  } catch {
    return undefined;
  }
  return reader.left === 0 && signatures.length > 0 ? Buffer.concat(signatures) : undefined;
}

/** RFC 4253 section 6.6, RFC 5656 section 3.1.2, RFC 8332, RFC 8709. An RSA key signs as in the key exchange, where that was by RSA. */
function signature({ text }: HostKey, data: Buffer, exchangedBy: string): Buffer {
  const key = ssh2.utils.parseKey(text) as ParsedKey;
  if (key.type === 'ssh-rsa') {
    const algorithm = exchangedBy === 'rsa-sha2-256' ? 'rsa-sha2-256' : 'rsa-sha2-512';
    return Buffer.concat([stringField(algorithm), stringField(key.sign(data, algorithm.replace('rsa-sha2-', 'sha')))]);
  }
  const signed = key.sign(data);
  return Buffer.concat([stringField(key.type), stringField(key.type === 'ssh-ed25519' ? signed : pointOf(signed))]);
}

/** The two numbers of a signature in DER, as SSH writes them: their bytes are the same. */
function pointOf(der: Buffer): Buffer {
  const firstBytes = der[3]!;
  const second = 4 + firstBytes;
  return Buffer.concat([stringField(der.subarray(4, second)), stringField(der.subarray(second + 2, second + 2 + der[second + 1]!))]);
}

function blobOf({ publicKey }: HostKey): Buffer {
  return Buffer.from(publicKey.split(' ')[1]!, 'base64');
}
