import { type FileInfo, HubError } from '#core/api.js';
import { attributesField, NO_ATTRIBUTES } from './attributes.js';
import type { RequestContext } from './context.js';
import type { OpenFile } from './open-file.js';
import { PACKET, type PacketReader, packet, stringField, uint32Field } from './packets.js';
import { successReply } from './status.js';

/** The reply, now or later; undefined when the request is answered by another way. */
export type Reply = Buffer | Promise<Buffer | undefined> | undefined;

/** Reads its fields from `fields` at once, then acts. What it throws becomes the STATUS reply. */
export type Handle = (sftp: RequestContext, id: number, fields: PacketReader) => Reply;

/** A handler for what only looks at one path. */
export function onPath<T>(look: (sftp: RequestContext, path: string) => Promise<T>, reply: (id: number, found: T) => Buffer): Handle {
  return (sftp, id, fields) => {
    const path = fields.text();
    return sftp.order.run([sftp.files.resolve(path)], false, () => look(sftp, path)).then(found => reply(id, found));
  };
}

/** A handler for what changes one path. */
export function changing(change: (sftp: RequestContext, path: string) => Promise<void>): Handle {
  return (sftp, id, fields) => {
    const path = fields.text();
    return sftp.order.run([sftp.files.resolve(path)], true, () => change(sftp, path)).then(() => successReply(id));
  };
}

/** A handler for what changes two paths, the old one first. */
export function changingBoth(change: (sftp: RequestContext, from: string, to: string) => Promise<void>): Handle {
  return (sftp, id, fields) => {
    const from = fields.text();
    const to = fields.text();
    const paths = [sftp.files.resolve(from), sftp.files.resolve(to)];
    return sftp.order.run(paths, true, () => change(sftp, from, to)).then(() => successReply(id));
  };
}

/** The open file of the next field, a handle. Throws 'conflict' for an unknown one, 'is-a-directory' for a listing. */
export function openFile(sftp: RequestContext, fields: PacketReader): OpenFile {
  const opened = sftp.handles.get(fields.string());
  if (opened.kind !== 'file') throw new HubError('is-a-directory', 'Is a directory');
  return opened;
}

/** An ATTRS reply. */
export function attributesReply(id: number, info: FileInfo): Buffer {
  return packet(PACKET.ATTRS, id, attributesField(info));
}

/** A NAME reply with one name and no attributes. */
export function nameReply(id: number, name: string): Buffer {
  return packet(PACKET.NAME, id, uint32Field(1), stringField(name), stringField(name), NO_ATTRIBUTES);
}
