import { z } from '#core/api.js';
import { RIGHTS } from '#core/db/users.js';
import { ENTRY_ORDERS, sortEntries } from '#core/storage/entry-order.js';
import { virtualPath } from '#core/vfs/path.js';
import { Policy } from '#core/vfs/policy.js';
import { download } from '../files/download.js';
import { removeTree } from '../files/remove.js';
import { sessionOf } from '../files/session-of.js';
import { upload } from '../files/upload.js';
import { defineRoute, listQuery, orderOf, type Route } from '../http/route.js';
import { entrySchema, entryView } from './entries.js';

const path = z.string().min(1).max(4_096).describe('Absolute, as the user sees it');
const onePath = z.strictObject({ path });
const two = { from: path, to: path, overwrite: z.boolean().default(false).describe('Whether a file may be replaced') };
const flag = z.enum(['true', 'false']);

/** The files of the user who asks, through the same file system as SFTP and FTP. */
export const fileRoutes: readonly Route[] = [
  defineRoute({
    id: 'files.list',
    method: 'GET',
    path: '/files',
    summary: 'List a directory of mine',
    access: 'user',
    query: z.strictObject({ path: path.default('/'), ...listQuery(ENTRY_ORDERS) }),
    response: z
      .object({
        path: z.string(),
        rights: z.array(z.enum(RIGHTS)).describe('What I may do in it'),
        items: z.array(entrySchema),
        total: z.int(),
        limit: z.int(),
        offset: z.int(),
      })
      .meta({ id: 'Directory' }),
    failures: [404, 409],
    handle: async call => {
      const { limit, offset, sort, search = '' } = call.query;
      const session = await sessionOf(call);
      const directory = session.files.resolve(call.query.path);
      const wanted = search.normalize('NFKC').toLowerCase();
      const found = [];
      for await (const batch of session.files.list(directory))
        found.push(...batch.filter(({ name }) => name.normalize('NFKC').toLowerCase().includes(wanted)));
      const { order, descending } = orderOf(sort, 'name');
      const items = sortEntries(found, order, descending).slice(offset, offset + limit);
      const { permissions, patterns } = session.user;
      const rights = [...new Policy(permissions, patterns).rightsIn(virtualPath(directory))];
      return { path: directory, rights, items: items.map(entryView), total: found.length, limit, offset };
    },
  }),

  defineRoute({
    id: 'files.show',
    method: 'GET',
    path: '/files/info',
    summary: 'Describe a file or directory of mine',
    access: 'user',
    query: onePath,
    response: entrySchema,
    failures: [404],
    handle: async call => entryView(await (await sessionOf(call)).files.stat(call.query.path, { unfinished: false })),
  }),

  defineRoute({
    id: 'files.download',
    method: 'GET',
    path: '/files/content',
    summary: 'Download a file of mine',
    description: 'Takes Range (one range), If-Range and If-None-Match.',
    access: 'user',
    query: onePath,
    rawResponse: 'application/octet-stream',
    failures: [404, 409, 416],
    handle: async call => download(call, (await sessionOf(call)).files, call.query.path),
  }),

  defineRoute({
    id: 'files.upload',
    method: 'PUT',
    path: '/files/content',
    summary: 'Upload a file of mine; it appears when all of it has arrived, and not before',
    description: 'Takes If-Match, If-None-Match: *, and Repr-Digest or Content-Digest with sha-256, which is compared.',
    access: 'user',
    status: 201,
    rawBody: 'application/octet-stream',
    query: z.strictObject({ path, overwrite: flag.default('true').describe('Whether a file may be replaced') }),
    response: entrySchema,
    failures: [404, 409, 412, 507],
    handle: async call => {
      const { files } = await sessionOf(call);
      return entryView(await upload(call, files, call.query.path, call.query.overwrite === 'true'));
    },
  }),

  defineRoute({
    id: 'files.mkdir',
    method: 'POST',
    path: '/files/directories',
    summary: 'Make a directory',
    access: 'user',
    status: 201,
    body: z.strictObject({ path }).meta({ id: 'DirectoryCreate' }),
    response: entrySchema,
    failures: [404, 409],
    handle: async call => {
      const { files } = await sessionOf(call);
      await files.mkdir(call.body.path);
      return entryView(await files.stat(call.body.path));
    },
  }),

  defineRoute({
    id: 'files.rename',
    method: 'POST',
    path: '/files/rename',
    summary: 'Move a file or directory',
    access: 'user',
    body: z.strictObject(two).meta({ id: 'FileRename' }),
    failures: [404, 409],
    handle: async call => {
      const { from, to, overwrite } = call.body;
      await (await sessionOf(call)).files.rename(from, to, { overwrite });
    },
  }),

  defineRoute({
    id: 'files.copy',
    method: 'POST',
    path: '/files/copy',
    summary: 'Copy a file on the hub',
    access: 'user',
    body: z.strictObject(two).meta({ id: 'FileCopy' }),
    failures: [404, 409],
    handle: async call => {
      const { from, to, overwrite } = call.body;
      await (await sessionOf(call)).files.copy(from, to, { overwrite });
    },
  }),

  defineRoute({
    id: 'files.remove',
    method: 'DELETE',
    path: '/files',
    summary: 'Delete a file or an empty directory; with recursive=true all that is in it',
    access: 'user',
    query: z.strictObject({ path, recursive: flag.default('false') }),
    failures: [404, 409],
    handle: async call => removeTree((await sessionOf(call)).files, call.query.path, call.query.recursive === 'true'),
  }),
];
