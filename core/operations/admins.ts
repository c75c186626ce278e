import { z } from 'zod';
import { didYouMean } from '../config/nearest.js';
import { ADMIN_ROLES, type Admin } from '../db/admin.js';
import { about, HubError } from '../errors.js';
import { randomToken } from '../ids.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';

/** The shortest password of an admin. */
export const MIN_ADMIN_PASSWORD = 10;

const username = z.string().min(1).max(256);
const password = z.string().min(MIN_ADMIN_PASSWORD, `expected at least ${MIN_ADMIN_PASSWORD} characters`).max(1_024);
const role = z.enum(ADMIN_ROLES);

/** What owners do with those who administer. */
export const adminOperations = {
  /** Adds an admin. A password that is not given is made and given back, this once. */
  'admins.create': operation(
    z.strictObject({ username, role: role.default('owner'), password: password.optional() }),
    async ({ admins, passwords }, input) => {
      const made = input.password === undefined ? randomToken(15) : undefined;
      if (await admins.findByUsername(input.username))
        throw new HubError('already-exists', `There is an admin '${input.username}' already`, { field: 'username' });
      const passwordHash = await passwords.hash(input.password ?? made!);
      const admin = await about('username', () =>
        admins.create({ username: input.username, role: input.role, status: 'active', passwordHash }),
      );
      return { admin, ...(made !== undefined && { password: made }) };
    },
  ),

  'admins.list': operation(z.strictObject({}), async ({ admins }) => admins.list()),

  'admins.show': operation(z.strictObject({ username }), async (services, input) => find(services, input.username)),

  /** Changes what is given. Another role, or a status other than active, ends the admin's sessions. Throws 'conflict' for a `version` that is not current. */
  'admins.set': operation(
    z.strictObject({ username, role: role.optional(), status: z.enum(['active', 'disabled']).optional(), version: z.int().optional() }),
    async (services, { username, version, role, status }) => {
      const admin = await find(services, username);
      const changes = { ...(role && { role }), ...(status && { status }) };
      const changed = await services.admins.update(admin.id, changes, version ?? admin.version);
      if (changed.role !== admin.role || changed.status !== 'active') await services.webSessions.endAll('admin', admin.id);
      return changed;
    },
  ),

  /** Sets a password and ends the admin's sessions. One that is not given is made and given back, this once. */
  'admins.reset-password': operation(z.strictObject({ username, password: password.optional() }), async (services, input) => {
    const admin = await find(services, input.username);
    const made = input.password === undefined ? randomToken(15) : undefined;
    const passwordHash = await services.passwords.hash(input.password ?? made!);
    const changed = await services.admins.update(admin.id, { passwordHash }, admin.version);
    await services.webSessions.endAll('admin', admin.id);
    return { admin: changed, ...(made !== undefined && { password: made }) };
  }),

  /** For who lost his device: the password alone lets the admin in again. */
  'admins.reset-second-factor': operation(z.strictObject({ username }), async (services, input) => {
    const admin = await find(services, input.username);
    if (!(await services.secondFactors.remove('admin', admin.id)))
      throw new HubError('not-found', `'${admin.username}' has no second factor`);
    await services.webSessions.endAll('admin', admin.id);
    return admin;
  }),

  /** Throws 'conflict' for a `version` that is not current. */
  'admins.remove': operation(z.strictObject({ username, version: z.int().optional() }), async (services, input) => {
    const admin = await find(services, input.username);
    await services.admins.delete(admin.id, input.version);
    await services.secondFactors.remove('admin', admin.id);
    await services.webSessions.endAll('admin', admin.id);
    return admin;
  }),
};

async function find({ admins }: OperationServices, name: string): Promise<Admin> {
  const admin = await admins.findByUsername(name);
  if (admin) return admin;
  const names = (await admins.list()).map(other => other.username);
  throw new HubError('not-found', `There is no admin '${name}'${didYouMean(name, names)}`);
}
