import { HubError, type Transfer } from '#core/api.js';
import type { RequestContext } from './context.js';
import { openFile, type Reply } from './handlers.js';
import type { PacketReader } from './packets.js';
import { successReply } from './status.js';

const CHUNK_BYTES = 256 * 1024;

/**
 * copy-data (draft-ietf-secsh-filexfer-extensions-00, section 7): bytes of one open file into another, through the hub. A length
 * of 0 means to the end as it is now. Both handles keep the rights they were opened with. Throws 'conflict' for one file twice,
 * and for a target that was opened for appending, which has no offsets.
 */
export function copyData(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const source = openFile(sftp, fields);
  const from = fields.uint64();
  const length = fields.uint64();
  const target = openFile(sftp, fields);
  const to = fields.uint64();
  if (source === target || source.path === target.path) throw new HubError('conflict', 'Source and target are the same file');
  target.requireWritable();
  if (target.appends) throw new HubError('conflict', 'A file that is opened for appending has no offsets to copy to');
  // What was sent before for either file comes first, and a CLOSE that is sent next waits.
  return sftp.order
    .run([source.path, target.path], true, () =>
      target.change(() => source.use(() => copy(source.transfer, from, length, target.transfer, to))),
    )
    .then(() => successReply(id));
}

async function copy(source: Transfer, from: number, length: number, target: Transfer, to: number): Promise<void> {
  const wanted = length === 0 ? Math.max(0, (await source.stat()).size - from) : length;
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, wanted));
  for (let copied = 0; copied < wanted; ) {
    const count = await source.read(buffer.subarray(0, Math.min(CHUNK_BYTES, wanted - copied)), from + copied);
    if (count === 0) return;
    if (!Number.isSafeInteger(to + copied + count)) throw new HubError('invalid-request', 'Offset out of range');
    await target.write(buffer.subarray(0, count), to + copied);
    copied += count;
  }
}
