import { randomBytes, randomFillSync } from 'node:crypto';

const POOL_BYTES = 4_096;
/** Random bytes fetched for many ids at a time, each used once: a call for 16 of them costs more than all the rest of an id. */
const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
let poolAt = POOL_BYTES;
let lastMs = 0;
let counter = 0;

/**
 * A UUIDv7 (RFC 9562): unique, and sorts by the order in which this process made them, also within one millisecond
 * (method 1, a 12-bit counter that starts at random in its lower half).
 */
export function uuidv7(): string {
  const bytes = pooledBytes(16);
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    counter = bytes.readUInt16BE(6) & 0x7ff;
  } else if (++counter > 0xfff) {
    lastMs++;
    counter = bytes.readUInt16BE(6) & 0x7ff;
  }
  bytes.writeUIntBE(lastMs, 0, 6);
  bytes.writeUInt16BE(0x7000 | counter, 6);
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function pooledBytes(count: number): Buffer {
  if (poolAt + count > POOL_BYTES) {
    randomFillSync(pool);
    poolAt = 0;
  }
  poolAt += count;
  return pool.subarray(poolAt - count, poolAt);
}

/** `bytes` random bytes (16 unless told) in base64url: for tokens and temporary names. */
export function randomToken(bytes = 16): string {
  return randomBytes(bytes).toString('base64url');
}

/** A new secret for a webhook as Standard Webhooks writes it: 'whsec_' and 32 random bytes in base64. */
export function newWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}
