import { z } from '#core/api.js';
import { OPERATIONS } from '#core/operations/index.js';
import type { StorageView } from '#core/operations/storages.js';
import { requireOwnerForFolders } from '../auth/owners-only.js';
import { Answer, defineRoute, type Route } from '../http/route.js';
import { wholeList } from '../http/whole-list.js';
import { entrySchema, entryView } from './entries.js';
import { name } from './schemas.js';

const storageSchema = z
  .object({
    name: z.string(),
    kind: z.string(),
    options: z.record(z.string(), z.unknown()).describe("'(hidden)' where a secret is set"),
    discovered: z.boolean().describe('Found by storages.discover: it cannot be changed'),
    version: z.int(),
  })
  .meta({ id: 'Storage' });
const testedSchema = z.object({ ok: z.boolean(), message: z.string(), durationMs: z.int() }).meta({ id: 'StorageTest' });
const options = z.record(z.string().max(64), z.unknown()).describe('As the schema of the kind says');
const storageName = z.strictObject({ name });

const LIST = wholeList(({ name, kind }: StorageView) => [name, kind], { name: ({ name }) => name, kind: ({ kind }) => kind });

const FOLDERS = 'A kind that reaches folders of the machine is for owners.';

/** What admins do with storages. */
export const storageRoutes: readonly Route[] = [
  defineRoute({
    id: 'storages.kinds',
    method: 'GET',
    path: '/storage-kinds',
    summary: 'List kinds of storage, with the JSON schema of their options',
    access: 'viewer',
    response: z
      .object({ items: z.array(z.object({ name: z.string(), schema: z.record(z.string(), z.unknown()) }).meta({ id: 'StorageKind' })) })
      .meta({ id: 'StorageKinds' }),
    handle: async ({ services }) => ({
      items: services.operations.storageRegistry.kinds().map(kind => ({
        name: kind.name,
        schema: z.toJSONSchema(kind.options as z.ZodType, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>,
      })),
    }),
  }),

  defineRoute({
    id: 'storages.list',
    method: 'GET',
    path: '/storages',
    summary: 'List storages, those found by storages.discover included',
    access: 'viewer',
    query: z.strictObject(LIST.query),
    response: z.object({ items: z.array(storageSchema), total: z.int() }).meta({ id: 'Storages' }),
    handle: async ({ query, services }) => {
      const { items, total } = LIST.page(await OPERATIONS['storages.list'].run(services.operations, {}), query);
      return { items: items.map(copy), total };
    },
  }),

  defineRoute({
    id: 'storages.add',
    method: 'POST',
    path: '/storages',
    summary: 'Add a storage, after it was opened once',
    description: FOLDERS,
    access: 'admin',
    status: 201,
    body: z.strictObject({ name, kind: z.string().max(64), options: options.default({}) }).meta({ id: 'StorageCreate' }),
    response: storageSchema,
    failures: [409],
    handle: async ({ body, caller, services }) => {
      requireOwnerForFolders(caller, services.operations, body.kind);
      const storage = await OPERATIONS['storages.add'].run(services.operations, body);
      return new Answer(copy(storage), { version: storage.version, location: `/storages/${encodeURIComponent(storage.name)}` });
    },
  }),

  defineRoute({
    id: 'storages.try',
    method: 'POST',
    path: '/storages/test',
    summary: 'Test a storage that is not added yet',
    description: FOLDERS,
    access: 'admin',
    body: z.strictObject({ kind: z.string().max(64), options: options.default({}) }).meta({ id: 'StorageTry' }),
    response: testedSchema,
    handle: async ({ body, caller, services }) => {
      requireOwnerForFolders(caller, services.operations, body.kind);
      return OPERATIONS['storages.try'].run(services.operations, body);
    },
  }),

  defineRoute({
    id: 'storages.show',
    method: 'GET',
    path: '/storages/{name}',
    summary: 'Show a storage',
    access: 'viewer',
    params: storageName,
    response: storageSchema,
    failures: [404],
    handle: async ({ params, services }) => {
      const storage = await OPERATIONS['storages.show'].run(services.operations, params);
      return new Answer(copy(storage), { version: storage.version });
    },
  }),

  defineRoute({
    id: 'storages.set',
    method: 'PATCH',
    path: '/storages/{name}',
    summary: 'Change options of a storage; null takes one away',
    description: FOLDERS,
    access: 'admin',
    versioned: true,
    params: storageName,
    body: z.strictObject({ options }).meta({ id: 'StorageChange' }),
    response: storageSchema,
    failures: [404],
    handle: async ({ params, body, ifMatch, caller, services }) => {
      requireOwnerForFolders(caller, services.operations, (await OPERATIONS['storages.show'].run(services.operations, params)).kind);
      const storage = await OPERATIONS['storages.set'].run(services.operations, { ...params, ...body, version: ifMatch });
      return new Answer(copy(storage), { version: storage.version });
    },
  }),

  defineRoute({
    id: 'storages.test',
    method: 'POST',
    path: '/storages/{name}/test',
    summary: 'Open a storage and look at its root; what is wrong is the answer',
    access: 'operator',
    params: storageName,
    response: testedSchema,
    failures: [404],
    handle: ({ params, services }) => OPERATIONS['storages.test'].run(services.operations, params),
  }),

  defineRoute({
    id: 'storages.remove',
    method: 'DELETE',
    path: '/storages/{name}',
    summary: 'Take a storage off the list; its files stay',
    access: 'admin',
    versioned: true,
    params: storageName,
    failures: [404, 409],
    handle: async ({ params, ifMatch, services }) => {
      await OPERATIONS['storages.remove'].run(services.operations, { ...params, version: ifMatch });
    },
  }),

  defineRoute({
    id: 'storages.browse',
    method: 'GET',
    path: '/storages/{name}/files',
    summary: 'List a directory of a storage',
    access: 'admin',
    params: storageName,
    query: z.strictObject({
      path: z.string().max(4_096).default('/'),
      limit: z.coerce.number().int().min(1).max(1_000).default(200),
      offset: z.coerce.number().int().min(0).default(0),
    }),
    response: z
      .object({ path: z.string(), items: z.array(entrySchema), total: z.int(), limit: z.int(), offset: z.int() })
      .meta({ id: 'StorageEntries' }),
    failures: [404, 409],
    handle: async ({ params, query, services }) => {
      const { path, items, total } = await OPERATIONS['storages.browse'].run(services.operations, { ...params, ...query });
      return { path, items: items.map(entryView), total, limit: query.limit, offset: query.offset };
    },
  }),
];

function copy(storage: StorageView): z.input<typeof storageSchema> {
  return { ...storage, options: { ...storage.options } };
}
