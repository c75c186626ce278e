import { type DigestRange, type HashAlgorithm, HubError } from '#core/api.js';
import type { RequestContext } from './context.js';
import { type Handle, openFile } from './handlers.js';
import { PACKET, type PacketReader, packet, stringField } from './packets.js';

type Named = 'name' | 'handle';
type Digest = (algorithm: HashAlgorithm, range: DigestRange) => Promise<Buffer>;

const ALGORITHMS: ReadonlySet<string> = new Set<HashAlgorithm>(['md5', 'sha1', 'sha256', 'sha384', 'sha512']);
/** The smallest block that the draft allows. */
const MIN_BLOCK_BYTES = 256;
/** Bytes that the quick check of md5-hash looks at. */
const QUICK_CHECK_BYTES = 2_048;

/**
 * Digests of a range of a file, block by block where asked (draft-ietf-secsh-filexfer-extensions-00, section 3), by the first known
 * algorithm of the client's list. `titled` puts the word 'check-file' before the reply, where draft 09 and paramiko expect it.
 */
export function checkFile(by: Named, titled = false): Handle {
  return (sftp, id, fields) => {
    const digest = digestOf(sftp, by, fields);
    const algorithm = fields.text().split(',').find(isKnown);
    const range = { offset: fields.uint64(), length: fields.uint64(), blockBytes: fields.uint32() };
    if (!algorithm) throw new HubError('unsupported', 'None of these digests is known here');
    if (range.blockBytes > 0 && range.blockBytes < MIN_BLOCK_BYTES) throw new HubError('invalid-request', 'A block has 256 bytes or more');
    const title = titled ? [stringField('check-file')] : [];
    return digest(algorithm, range).then(found => packet(PACKET.EXTENDED_REPLY, id, ...title, stringField(algorithm), found));
  };
}

/** MD5 of a range of a file; empty when the client's digest of the first 2,048 bytes differs (the same draft, section 2). */
export function md5Hash(by: Named): Handle {
  return (sftp, id, fields) => {
    const digest = digestOf(sftp, by, fields);
    const range = { offset: fields.uint64(), length: fields.uint64() };
    const quick = Buffer.from(fields.string());
    const title = stringField(by === 'name' ? 'md5-hash' : 'md5-hash-handle');
    return md5(digest, range, quick).then(found => packet(PACKET.EXTENDED_REPLY, id, title, stringField(found)));
  };
}

async function md5(digest: Digest, { offset, length }: { offset: number; length: number }, quick: Buffer): Promise<Buffer> {
  if (quick.length > 0) {
    const beginning = await digest('md5', { offset, length: Math.min(length || QUICK_CHECK_BYTES, QUICK_CHECK_BYTES) });
    if (!beginning.equals(quick)) return Buffer.alloc(0);
  }
  return digest('md5', { offset, length });
}

/** Reads the name or handle. By a handle it is a READ of the open file, what was written before included. */
function digestOf(sftp: RequestContext, by: Named, fields: PacketReader): Digest {
  if (by === 'handle') {
    const file = openFile(sftp, fields);
    return (algorithm, range) => file.use(() => sftp.files.digest(file.transfer, algorithm, range, sftp.muted));
  }
  const path = fields.text();
  return (algorithm, range) =>
    sftp.order.run([sftp.files.resolve(path)], false, async () =>
      Buffer.from(await sftp.files.checksum(path, algorithm, range, sftp.muted), 'hex'),
    );
}

function isKnown(name: string): name is HashAlgorithm {
  return ALGORITHMS.has(name);
}
