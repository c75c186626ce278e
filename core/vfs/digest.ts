import { createHash } from 'node:crypto';
import { HubError } from '../errors.js';
import type { HashAlgorithm } from '../storage/backend.js';

/** Which bytes of a file are digested: all of it unless told. */
export interface DigestRange {
  /** The first byte; 0 unless told. */
  readonly offset?: number;
  /** How many bytes; to the end of the file when absent or 0. */
  readonly length?: number;
  /** A digest of each block of so many bytes, the last one shorter; one digest of everything when absent or 0. */
  readonly blockBytes?: number;
}

const CHUNK_BYTES = 256 * 1024;
/** Digests of one answer: what fits in a packet of any protocol. */
const MAX_DIGESTS = 2_048;

/**
 * The digests of what `read` gives, one after the other. `read` fills its target from a position and gives the bytes read, 0 at the
 * end. Throws 'invalid-request' for more than 2,048 blocks, and what `read` throws.
 */
export async function digestRange(
  read: (target: Uint8Array, position: number) => Promise<number>,
  algorithm: HashAlgorithm,
  { offset = 0, length, blockBytes }: DigestRange = {},
): Promise<Buffer> {
  const digests: Buffer[] = [];
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  const end = length ? offset + length : Number.POSITIVE_INFINITY;
  const block = blockBytes || Number.POSITIVE_INFINITY;
  let [hash, hashed] = [createHash(algorithm), 0];
  for (let position = offset; position < end; ) {
    const count = await read(buffer.subarray(0, Math.min(CHUNK_BYTES, end - position, block - hashed)), position);
    if (count === 0) break;
    hash.update(buffer.subarray(0, count));
    position += count;
    hashed += count;
    if (hashed < block) continue;
    if (digests.length >= MAX_DIGESTS) throw new HubError('invalid-request', 'Too many blocks for one request');
    digests.push(hash.digest());
    [hash, hashed] = [createHash(algorithm), 0];
  }
  if (hashed > 0 || digests.length === 0) digests.push(hash.digest());
  return Buffer.concat(digests);
}
