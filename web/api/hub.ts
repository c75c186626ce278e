import { statfs } from 'node:fs/promises';
import { z } from '#core/api.js';
import { brandingChange } from '#core/operations/branding.js';
import { OPERATIONS } from '#core/operations/index.js';
import { defineRoute, type Route } from '../http/route.js';
import { time } from './schemas.js';

const listenerSchema = z
  .object({
    protocol: z.string(),
    host: z.string(),
    port: z.int(),
    tls: z.boolean(),
    url: z.string().optional(),
    fingerprints: z.array(z.string()).optional(),
  })
  .meta({ id: 'Listener' });

const brandingSchema = z
  .object({
    name: z.string().describe('What the pages call the hub'),
    colour: z.string().describe("'#rrggbb', or empty"),
    logo: z.string().describe('A data: URL of a PNG, JPEG, WebP or GIF picture, or empty'),
  })
  .meta({ id: 'Branding' });

/** The hub as a whole. */
export const hubRoutes: readonly Route[] = [
  defineRoute({
    id: 'hub.status',
    method: 'GET',
    path: '/status',
    summary: 'Version, listeners, how long it runs, and how much there is of what',
    access: 'viewer',
    response: z
      .object({
        version: z.string(),
        node: z.string(),
        nodeVersion: z.string(),
        dataDirectory: z.string(),
        uptimeMs: z.int(),
        sessions: z.int(),
        users: z.int(),
        deadDeliveries: z.int(),
        disk: z
          .object({ freeBytes: z.number(), totalBytes: z.number() })
          .optional()
          .describe('Of the data directory; absent where it cannot be told'),
        listeners: z.array(listenerSchema),
      })
      .meta({ id: 'Status' }),
    handle: async ({ services }) => {
      const status = await OPERATIONS['hub.status'].run(services.operations, {});
      const { users, deliveries } = services.operations;
      return {
        ...status,
        disk: await diskOf(status.dataDirectory),
        nodeVersion: process.version,
        listeners: status.listeners.map(({ fingerprints, ...rest }) => ({
          ...rest,
          ...(fingerprints && { fingerprints: [...fingerprints] }),
        })),
        users: (await users.page({}, undefined, 1)).total,
        deadDeliveries: (await deliveries.page({ state: 'dead' }, undefined, 1)).total,
      };
    },
  }),

  defineRoute({
    id: 'doctor.run',
    method: 'GET',
    path: '/doctor',
    summary: 'Look at everything that can keep the hub from working, as `entrepot doctor` does',
    access: 'admin',
    response: z
      .object({
        items: z.array(z.object({ check: z.string(), result: z.enum(['ok', 'warn', 'fail']), detail: z.string() }).meta({ id: 'Finding' })),
      })
      .meta({ id: 'Findings' }),
    handle: async ({ services }) => ({ items: [...(await OPERATIONS['doctor.run'].run(services.operations, { machine: true }))] }),
  }),

  defineRoute({
    id: 'hub.config',
    method: 'GET',
    path: '/config',
    summary: 'Every option of the configuration, with where its value comes from; secrets are hidden',
    access: 'admin',
    response: z
      .object({ items: z.array(z.object({ path: z.string(), value: z.unknown(), source: z.string() }).meta({ id: 'ConfigOption' })) })
      .meta({ id: 'ConfigOptions' }),
    handle: async ({ services }) => ({
      items: services.configuration.sources.sources().map(({ path, value, source }) => ({ path, value: value ?? null, source })),
    }),
  }),

  defineRoute({
    id: 'reports.show',
    method: 'GET',
    path: '/reports/{name}',
    summary: "What an extension reports: 'hooks' is what the hooks folder holds, 'hooks-folder' where it is",
    access: 'viewer',
    params: z.strictObject({ name: z.string().min(1).max(128) }),
    response: z.object({ name: z.string(), report: z.unknown() }).meta({ id: 'Report' }),
    failures: [404],
    handle: async ({ params, services }) => ({
      name: params.name,
      report: JSON.parse(JSON.stringify((await OPERATIONS['reports.show'].run(services.operations, params)) ?? null)) as unknown,
    }),
  }),

  defineRoute({
    id: 'extensions.list',
    method: 'GET',
    path: '/extensions',
    summary: 'The extensions that are loaded, how they do, the protocols and the reports that they brought',
    access: 'viewer',
    response: z
      .object({
        items: z.array(
          z
            .object({
              name: z.string(),
              key: z.string().describe('The package or path, as the configuration names it'),
              version: z.string().optional().describe('Absent where neither it nor a package.json beside it tells one'),
              api: z.string().describe('The range of the extension API that it was written for'),
              registered: z.array(z.string()).describe("'protocol sftp', 'storage local', 'action webhook'"),
              health: z
                .object({
                  state: z.enum(['ok', 'failing']),
                  deadDeliveries: z.int().describe('To its handlers'),
                  failures: z
                    .array(z.object({ part: z.string(), at: time, message: z.string() }).meta({ id: 'PartFailure' }))
                    .describe('What failed when it ran last, the latest first'),
                })
                .meta({ id: 'ExtensionHealth' }),
            })
            .meta({ id: 'ExtensionInfo' }),
        ),
        protocols: z.array(z.string()),
        storageKinds: z.array(z.string()),
        actions: z.array(z.string()),
        reports: z.array(z.string()),
      })
      .meta({ id: 'Extensions' }),
    handle: async ({ services }) => ({
      items: (await OPERATIONS['extensions.list'].run(services.operations, {})).map(({ registered, version, ...rest }) => ({
        ...rest,
        ...(version !== undefined && { version }),
        registered: [...registered],
      })),
      protocols: [...services.operations.protocols],
      storageKinds: services.operations.storageRegistry.kinds().map(({ name }) => name),
      actions: services.operations.actions.list().map(({ name }) => name),
      reports: [...services.operations.reports.keys()],
    }),
  }),

  defineRoute({
    id: 'branding.show',
    method: 'GET',
    path: '/branding',
    summary: 'Name, colour and logo of the pages',
    access: 'public',
    response: brandingSchema,
    handle: ({ services }) => OPERATIONS['branding.show'].run(services.operations, {}),
  }),

  defineRoute({
    id: 'branding.set',
    method: 'PATCH',
    path: '/branding',
    summary: 'Change name, colour or logo of the pages',
    access: 'owner',
    body: z.strictObject(brandingChange).meta({ id: 'BrandingChange' }),
    response: brandingSchema,
    handle: ({ body, services }) => OPERATIONS['branding.set'].run(services.operations, body),
  }),
];

/** Free means free for the hub, not for root. */
async function diskOf(directory: string) {
  const found = await statfs(directory).catch(() => undefined);
  return found && { freeBytes: found.bavail * found.bsize, totalBytes: found.blocks * found.bsize };
}
