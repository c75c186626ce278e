import { type FileAttributes, HubError } from '#core/api.js';
import { readAttributes } from './attributes.js';
import { checkFile, md5Hash } from './check-file.js';
import type { RequestContext } from './context.js';
import { copyData } from './copy-data.js';
import { changingBoth, type Handle, nameReply, openFile, type Reply } from './handlers.js';
import { MAX_DATA_BYTES, MAX_PACKET_BYTES, PACKET, type PacketReader, packet, stringField, uint64Fields } from './packets.js';
import { successReply } from './status.js';

/** What the storage of a session's root can do. */
interface Capabilities {
  readonly links: boolean;
  readonly space: boolean;
}

/** One extended request. */
interface ExtensionRow {
  /** What VERSION announces. */
  readonly version: string;
  readonly handle: Handle;
  /** What the storage has to be able to do for the extension to be announced. */
  readonly needs?: keyof Capabilities;
}

const BLOCK_BYTES = 4_096;
const MAX_NAME_BYTES = 255;
/** Flags of statvfs: set-user bits count for nothing here. */
const ST_NOSUID = 2;

/**
 * Extended requests: those of OpenSSH (its PROTOCOL file, section 4), those of draft-ietf-secsh-filexfer-extensions-00, and
 * 'check-file' as paramiko sends it. What is not here is answered OP_UNSUPPORTED.
 */
export const EXTENSIONS: ReadonlyMap<string, ExtensionRow> = new Map<string, ExtensionRow>([
  [
    'posix-rename@openssh.com',
    { version: '1', handle: changingBoth((sftp, from, to) => sftp.files.rename(from, to, { overwrite: true })) },
  ],
  ['statvfs@openssh.com', { version: '2', handle: statvfs, needs: 'space' }],
  ['fstatvfs@openssh.com', { version: '2', handle: fstatvfs, needs: 'space' }],
  ['hardlink@openssh.com', { version: '1', handle: changingBoth((sftp, from, to) => sftp.files.link(from, to)), needs: 'links' }],
  ['fsync@openssh.com', { version: '1', handle: fsync }],
  ['lsetstat@openssh.com', { version: '1', handle: lsetstat }],
  ['limits@openssh.com', { version: '1', handle: limits }],
  ['expand-path@openssh.com', { version: '1', handle: expandPath }],
  ['copy-data', { version: '1', handle: copyData }],
  ['home-directory', { version: '1', handle: homeDirectory }],
  ['users-groups-by-id@openssh.com', { version: '1', handle: usersGroupsById }],
  ['check-file', { version: '1', handle: checkFile('handle', true) }],
  ['check-file-handle', { version: '1', handle: checkFile('handle') }],
  ['check-file-name', { version: '1', handle: checkFile('name') }],
  ['md5-hash', { version: '1', handle: md5Hash('name') }],
  ['md5-hash-handle', { version: '1', handle: md5Hash('handle') }],
]);

/** The answer to INIT: version 3 and the extensions that work. */
export function versionReply(can: Capabilities): Buffer {
  const announced = [...EXTENSIONS].filter(([, { needs }]) => needs === undefined || can[needs]);
  return packet(PACKET.VERSION, 3, ...announced.flatMap(([name, { version }]) => [stringField(name), stringField(version)]));
}

function statvfs(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const path = fields.text();
  return sftp.order.run([sftp.files.resolve(path)], false, () => spaceReply(sftp, id, path));
}

function fstatvfs(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  return spaceReply(sftp, id, sftp.handles.get(fields.string()).path);
}

async function spaceReply(sftp: RequestContext, id: number, path: string): Promise<Buffer> {
  await sftp.files.stat(path);
  const { total, free } = await sftp.files.space(path);
  const [blocks, freeBlocks] = [Math.floor(total / BLOCK_BYTES), Math.floor(free / BLOCK_BYTES)];
  // Storages count no files, so neither does the reply; clients print no share of none.
  const values = uint64Fields(BLOCK_BYTES, BLOCK_BYTES, blocks, freeBlocks, freeBlocks, 0, 0, 0, 0, ST_NOSUID, MAX_NAME_BYTES);
  return packet(PACKET.EXTENDED_REPLY, id, values);
}

function fsync(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const file = openFile(sftp, fields);
  return file.use(() => file.transfer.sync()).then(() => successReply(id));
}

function lsetstat(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const path = fields.text();
  const attributes: FileAttributes = readAttributes(fields);
  if (attributes.size !== undefined) throw new HubError('invalid-request', 'A link has no size to set');
  const change = async () => {
    if (Object.keys(attributes).length > 0) await sftp.files.setAttributes(path, { ...attributes, follow: false });
    else await sftp.files.lstat(path);
  };
  return sftp.order.run([sftp.files.resolve(path)], true, change).then(() => successReply(id));
}

function limits(sftp: RequestContext, id: number): Reply {
  const values = uint64Fields(MAX_PACKET_BYTES, MAX_DATA_BYTES, MAX_DATA_BYTES, sftp.handles.limit);
  return packet(PACKET.EXTENDED_REPLY, id, values);
}

/** '~' and '~/…' are the root, which is everyone's home here; so is '~' with the client's own name. */
function expandPath(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const path = fields.text();
  if (!path.startsWith('~')) return nameReply(id, sftp.files.resolve(path));
  const slash = path.indexOf('/');
  const user = slash < 0 ? path.slice(1) : path.slice(1, slash);
  requireSelf(sftp, user);
  return nameReply(id, sftp.files.resolve(slash < 0 ? '/' : path.slice(slash)));
}

function homeDirectory(sftp: RequestContext, id: number, fields: PacketReader): Reply {
  requireSelf(sftp, fields.text());
  return nameReply(id, '/');
}

/** Whether another user exists is nobody's business. */
function requireSelf(sftp: RequestContext, user: string): void {
  if (user !== '' && user !== sftp.user) throw new HubError('conflict', 'No such user');
}

/** Numbers of owners are the storage's, and the hub has no names for them: each is answered with an empty one. */
function usersGroupsById(_sftp: RequestContext, id: number, fields: PacketReader): Reply {
  const [users, groups] = [fields.string().length, fields.string().length];
  if (users % 4 !== 0 || groups % 4 !== 0) throw new HubError('invalid-request', 'The lists of numbers are cut off');
  return packet(PACKET.EXTENDED_REPLY, id, stringField(Buffer.alloc(users)), stringField(Buffer.alloc(groups)));
}
