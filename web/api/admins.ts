import { z } from '#core/api.js';
import { ADMIN_ROLES, type Admin } from '#core/db/admin.js';
import { HubError } from '#core/errors.js';
import { MIN_ADMIN_PASSWORD } from '#core/operations/admins.js';
import { OPERATIONS } from '#core/operations/index.js';
import { Answer, type Call, defineRoute, type Route } from '../http/route.js';
import { wholeList } from '../http/whole-list.js';
import type { WebServices } from '../services.js';
import { adminSchema, name } from './schemas.js';

const adminName = z.strictObject({ name });
const password = z.string().min(MIN_ADMIN_PASSWORD, `expected at least ${MIN_ADMIN_PASSWORD} characters`).max(1_024);
const made = z.string().optional().describe('The password that was made; shown this once');

const LIST = wholeList(({ username, role }: Admin) => [username, role], {
  username: ({ username }) => username,
  role: ({ role }) => ADMIN_ROLES.indexOf(role),
  status: ({ status }) => status,
  createdAt: ({ createdAt }) => createdAt,
  lastLoginAt: ({ lastLoginAt }) => lastLoginAt,
});

/** What owners do with those who administer. */
export const adminRoutes: readonly Route[] = [
  defineRoute({
    id: 'admins.list',
    method: 'GET',
    path: '/admins',
    summary: 'List admins',
    access: 'admin',
    query: z.strictObject(LIST.query),
    response: z.object({ items: z.array(adminSchema), total: z.int() }).meta({ id: 'Admins' }),
    handle: async ({ query, services }) => {
      const { items, total } = LIST.page(await services.operations.admins.list(), query);
      return { items: await Promise.all(items.map(admin => adminView(services, admin))), total };
    },
  }),

  defineRoute({
    id: 'admins.create',
    method: 'POST',
    path: '/admins',
    summary: 'Add an admin',
    access: 'owner',
    keys: false,
    status: 201,
    body: z.strictObject({ username: name, role: z.enum(ADMIN_ROLES), password: password.optional() }).meta({ id: 'AdminCreate' }),
    response: z.object({ admin: adminSchema, password: made }).meta({ id: 'AdminCreated' }),
    failures: [409],
    handle: async ({ body, services }) => {
      const { admin, password } = await OPERATIONS['admins.create'].run(services.operations, body);
      return new Answer({ admin: await adminView(services, admin), password }, { version: admin.version });
    },
  }),

  defineRoute({
    id: 'admins.show',
    method: 'GET',
    path: '/admins/{name}',
    summary: 'Show an admin',
    access: 'admin',
    params: adminName,
    response: adminSchema,
    failures: [404],
    handle: async ({ params, services }) => {
      const admin = await OPERATIONS['admins.show'].run(services.operations, { username: params.name });
      return new Answer(await adminView(services, admin), { version: admin.version });
    },
  }),

  defineRoute({
    id: 'admins.set',
    method: 'PATCH',
    path: '/admins/{name}',
    summary: 'Change role or status of an admin; his sessions end',
    access: 'owner',
    keys: false,
    versioned: true,
    params: adminName,
    body: z
      .strictObject({ role: z.enum(ADMIN_ROLES).optional(), status: z.enum(['active', 'disabled']).optional() })
      .meta({ id: 'AdminChange' }),
    response: adminSchema,
    failures: [404, 409],
    handle: async call => {
      await refuseOwnFall(call);
      const { params, body, ifMatch, services } = call;
      const admin = await OPERATIONS['admins.set'].run(services.operations, { ...body, username: params.name, version: ifMatch });
      return new Answer(await adminView(services, admin), { version: admin.version });
    },
  }),

  defineRoute({
    id: 'admins.reset-password',
    method: 'POST',
    path: '/admins/{name}/password',
    summary: 'Set the password of an admin, or make one; his sessions end, his second factor stays',
    access: 'owner',
    keys: false,
    params: adminName,
    body: z.strictObject({ password: password.optional() }).meta({ id: 'AdminPassword' }),
    response: z.object({ password: made }).meta({ id: 'AdminPasswordReset' }),
    failures: [404],
    handle: async ({ params, body, services }) => {
      const { password } = await OPERATIONS['admins.reset-password'].run(services.operations, { ...body, username: params.name });
      return { password };
    },
  }),

  defineRoute({
    id: 'admins.reset-second-factor',
    method: 'DELETE',
    path: '/admins/{name}/second-factor',
    summary: 'Ask an admin for no code any more; his sessions end',
    access: 'owner',
    keys: false,
    params: adminName,
    failures: [404],
    handle: async ({ params, services }) => {
      await OPERATIONS['admins.reset-second-factor'].run(services.operations, { username: params.name });
    },
  }),

  defineRoute({
    id: 'admins.remove',
    method: 'DELETE',
    path: '/admins/{name}',
    summary: 'Delete an admin',
    access: 'owner',
    keys: false,
    versioned: true,
    params: adminName,
    failures: [404, 409],
    handle: async ({ params, caller, ifMatch, services }) => {
      const admin = await OPERATIONS['admins.show'].run(services.operations, { username: params.name });
      if (admin.id === caller.account.id) throw new HubError('conflict', 'Nobody deletes himself: another owner can');
      await OPERATIONS['admins.remove'].run(services.operations, { username: params.name, version: ifMatch });
    },
  }),
];

/** An owner who lowers himself by mistake could not undo it. */
async function refuseOwnFall({ params, body, caller, services }: Call<{ name: string }, unknown, { role?: unknown; status?: unknown }>) {
  const admin = await OPERATIONS['admins.show'].run(services.operations, { username: params.name });
  if (admin.id !== caller.account.id) return;
  if (body.role !== undefined && body.role !== admin.role)
    throw new HubError('conflict', 'Nobody changes his own role: another owner can', { field: 'role' });
  if (body.status === 'disabled') throw new HubError('conflict', 'Nobody disables himself: another owner can', { field: 'status' });
}

/** An admin as the API shows him. */
export async function adminView({ secondFactors }: WebServices, admin: Admin): Promise<z.input<typeof adminSchema>> {
  return { ...admin, secondFactor: await secondFactors.isOn('admin', admin.id), lastLoginAt: admin.lastLoginAt ?? null };
}
