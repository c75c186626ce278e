import { HubError, type OpenFlags } from '#core/api.js';
import { readAttributes } from './attributes.js';
import type { RequestContext } from './context.js';
import { EXTENSIONS } from './extensions.js';
import { attributesReply, changing, changingBoth, type Handle, nameReply, onPath, openFile, type Reply } from './handlers.js';
import type { Opened } from './handles.js';
import { Listing } from './listing.js';
import { OpenFile } from './open-file.js';
import { PACKET, type PacketReader, packet, stringField } from './packets.js';
import { endReply, successReply } from './status.js';

/** One kind of request. */
export interface Request {
  readonly name: string;
  readonly handle: Handle;
}

/** Open flags of version 3 (draft-ietf-secsh-filexfer-02, section 6.3). */
const OPEN = { READ: 0x01, WRITE: 0x02, APPEND: 0x04, CREAT: 0x08, TRUNC: 0x10, EXCL: 0x20 } as const;

/** Every request but INIT, and WRITE, whose data the wire passes on as it comes. What is not here is answered OP_UNSUPPORTED. */
export const REQUESTS: ReadonlyMap<number, Request> = new Map<number, Request>([
  [PACKET.OPEN, { name: 'OPEN', handle: open }],
  [PACKET.CLOSE, { name: 'CLOSE', handle: close }],
  [PACKET.READ, { name: 'READ', handle: read }],
  [PACKET.LSTAT, { name: 'LSTAT', handle: onPath((sftp, path) => sftp.files.lstat(path), attributesReply) }],
  [PACKET.FSTAT, { name: 'FSTAT', handle: fstat }],
  [PACKET.SETSTAT, { name: 'SETSTAT', handle: setstat }],
  [PACKET.FSETSTAT, { name: 'FSETSTAT', handle: fsetstat }],
  [PACKET.OPENDIR, { name: 'OPENDIR', handle: opendir }],
  [PACKET.READDIR, { name: 'READDIR', handle: readdir }],
  [PACKET.REMOVE, { name: 'REMOVE', handle: changing((sftp, path) => sftp.files.removeFile(path)) }],
  [PACKET.MKDIR, { name: 'MKDIR', handle: changing((sftp, path) => sftp.files.mkdir(path)) }],
  [PACKET.RMDIR, { name: 'RMDIR', handle: changing((sftp, path) => sftp.files.removeDirectory(path)) }],
  [PACKET.REALPATH, { name: 'REALPATH', handle: realpath }],
  [PACKET.STAT, { name: 'STAT', handle: onPath((sftp, path) => sftp.files.stat(path), attributesReply) }],
  [PACKET.RENAME, { name: 'RENAME', handle: changingBoth((sftp, from, to) => sftp.files.rename(from, to)) }],
  [PACKET.READLINK, { name: 'READLINK', handle: onPath((sftp, path) => sftp.files.readlink(path), nameReply) }],
  [PACKET.SYMLINK, { name: 'SYMLINK', handle: symlink }],
  [PACKET.EXTENDED, { name: 'EXTENDED', handle: extended }],
]);

function open(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const path = fields.text();
  const bits = fields.uint32();
  // Mode and times of a new file are the storage's business; clients that care send SETSTAT.
  readAttributes(fields);
  const flags = openFlags(bits);
  sftp.requireOpenable();
  return reserved(sftp, () =>
    sftp.order.run([sftp.files.resolve(path)], flags.write === true, async () => {
      const transfer = await sftp.files.open(path, flags);
      const end = bits & OPEN.APPEND ? (await transfer.stat()).size : undefined;
      return new OpenFile(transfer, sftp, sftp.places, flags.write === true, end);
    }),
  ).then(opened => packet(PACKET.HANDLE, id, stringField(sftp.keep(opened))));
}

function openFlags(bits: number): OpenFlags {
  const write = (bits & (OPEN.WRITE | OPEN.APPEND)) !== 0;
  const create = (bits & OPEN.CREAT) !== 0;
  const truncate = (bits & OPEN.TRUNC) !== 0;
  // Else a file could be made or emptied by someone who may only read.
  if (!write && (create || truncate)) throw new HubError('invalid-request', 'Creating or emptying a file needs write access');
  return { read: !write || (bits & OPEN.READ) !== 0, write, create, truncate, exclusive: create && (bits & OPEN.EXCL) !== 0 };
}

function close(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  return sftp.closeHandle(fields.string()).then(() => successReply(id));
}

function read(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const file = openFile(sftp, fields);
  const offset = fields.uint64();
  const length = fields.uint32();
  const add = () => sftp.reads.add(id, file, offset, length);
  if (file.isQuiet) return void add();
  const addAndBegin = async () => {
    add();
    // A change of the file may have waited for the same.
    sftp.reads.pump();
  };
  return file.use(addAndBegin).then(() => undefined);
}

function fstat(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const opened = sftp.handles.get(fields.string());
  const info = opened.kind === 'file' ? opened.use(() => opened.transfer.stat()) : sftp.files.stat(opened.path);
  return info.then(found => attributesReply(id, found));
}

function setstat(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const path = fields.text();
  const attributes = readAttributes(fields);
  const change = async () => {
    if (Object.keys(attributes).length > 0) await sftp.files.setAttributes(path, attributes);
    else await sftp.files.stat(path);
  };
  return sftp.order.run([sftp.files.resolve(path)], true, change).then(() => successReply(id));
}

function fsetstat(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const file = openFile(sftp, fields);
  const { size, ...attributes } = readAttributes(fields);
  const change = async () => {
    if (size !== undefined) await file.truncate(size);
    if (Object.keys(attributes).length > 0) await file.transfer.setAttributes(attributes);
  };
  return file.change(change).then(() => successReply(id));
}

function opendir(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const path = fields.text();
  return reserved(sftp, () => sftp.order.run([sftp.files.resolve(path)], false, () => Listing.open(sftp.files, path))).then(opened =>
    packet(PACKET.HANDLE, id, stringField(sftp.keep(opened))),
  );
}

function readdir(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const opened = sftp.handles.get(fields.string());
  if (opened.kind !== 'directory') throw new HubError('not-a-directory', 'Not a directory');
  return opened.next(id).then(reply => reply ?? endReply(id));
}

function realpath(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  return nameReply(id, sftp.files.resolve(fields.text()));
}

/** OpenSSH sends the target first and the new link second, against the draft; every client follows it. */
function symlink(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const target = fields.text();
  const path = fields.text();
  return sftp.order.run([sftp.files.resolve(path)], true, () => sftp.files.symlink(target, path)).then(() => successReply(id));
}

function extended(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const extension = EXTENSIONS.get(fields.string().toString('latin1'));
  if (!extension) throw new HubError('unsupported', 'Operation unsupported');
  return extension.handle(sftp, id, fields);
}

/** Opens something at a place that is reserved before, so that many requests at once cannot pass the limit. */
async function reserved(sftp: RequestContext, openIt: () => Promise<Opened>): Promise<Opened> {
  sftp.handles.reserve();
  try {
    return await openIt();
  } catch (error) {
    sftp.handles.forgo();
    throw error;
  }
}
