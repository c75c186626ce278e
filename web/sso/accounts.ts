import { HubError, type LoginService, type Session } from '#core/api.js';
import { ADMIN_ROLES, type Admin, type AdminRole } from '#core/db/admin.js';
import { OPERATIONS } from '#core/operations/index.js';
import { recordAct } from '../http/audit.js';
import type { Client } from '../http/client.js';
import type { SsoProvider } from '../options.js';
import type { WebServices } from '../services.js';

/** What a provider has vouched for. */
export interface Vouched {
  readonly provider: string;
  readonly settings: SsoProvider;
  readonly subject: string;
  readonly username: string | undefined;
  /** Only one that the provider has verified. */
  readonly email: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Logs the user in who is linked to the identity, or is found or made at the first login; `beforeSession` as for LoginService. Throws 'authentication-failed' when there is none. */
export async function userSession(
  services: WebServices,
  vouched: Vouched,
  client: Client,
  beforeSession: () => Promise<void>,
): Promise<Session> {
  const { provider, subject } = vouched;
  await linkUser(services, vouched);
  const attempt: Parameters<LoginService['login']>[0] = {
    credentials: [{ kind: 'oidc', provider, subject }],
    protocol: 'web',
    remoteAddress: client.remoteAddress,
    tls: client.tls,
  };
  return services.login.login(attempt, beforeSession);
}

/** The admin who is linked, or found or made at the first login, with the role that his claims give now. */
export async function adminAccount(services: WebServices, vouched: Vouched, { remoteAddress }: Client): Promise<Admin> {
  let isNew = false;
  const { identities, operations } = services;
  const role = roleOf(vouched);
  const linked = await identities.ownerOf(vouched, 'admin');
  let admin = linked === undefined ? undefined : await operations.admins.find(linked);
  if (linked !== undefined && !admin) await identities.unlink(vouched, 'admin');
  if (vouched.settings.admins && role === undefined) throw refused('The provider gives no role');
  if (!admin) {
    const name = nameOf(vouched);
    const found = name === undefined || vouched.settings.match === 'never' ? undefined : await operations.admins.findByUsername(name);
    admin = found ?? (role && (await makeAdmin(services, vouched, role)));
    if (!admin) throw refused('There is no admin for this identity');
    isNew = true;
  }
  await services.adminLogin.loginVouched(admin);
  const act = { admin: admin.username, remoteAddress, target: admin.username };
  if (isNew) {
    await identities.link(vouched, 'admin', admin.id);
    await recordAct(services, { ...act, role: admin.role, action: `sso.link ${vouched.provider}`, fields: [] });
  }
  if (role !== undefined && role !== admin.role) {
    admin = await operations.admins.update(admin.id, { role }, admin.version);
    await recordAct(services, { ...act, role, action: `sso.role ${vouched.provider}`, fields: ['role'] });
  }
  return admin;
}

async function linkUser(services: WebServices, vouched: Vouched): Promise<void> {
  const { identities, operations } = services;
  const linked = await identities.ownerOf(vouched, 'user');
  if (linked !== undefined && (await operations.users.find(linked))) return;
  if (linked !== undefined) await identities.unlink(vouched, 'user');
  const { match, createUsers } = vouched.settings;
  const name = nameOf(vouched);
  const found = name === undefined || match === 'never' ? undefined : await operations.users.findByUsername(name);
  if (found) return identities.link(vouched, 'user', found.id);
  if (!createUsers) throw refused('There is no user for this identity');
  if (name === undefined) throw refused('The provider gives no name for a new user');
  if (await operations.users.findByUsername(name)) throw refused('There is a user of this name, who is not linked to this identity');
  const methods = { password: undefined, keys: [] as string[] };
  const { user } = await OPERATIONS['users.add'].run(operations, { username: name, ...methods, description: `By ${vouched.provider}` });
  await identities.link(vouched, 'user', user.id);
}

function makeAdmin({ operations }: WebServices, vouched: Vouched, role: AdminRole): Promise<Admin> | undefined {
  const username = nameOf(vouched);
  return username === undefined ? undefined : operations.admins.create({ username, role, status: 'active' });
}

/** What accounts are found by, and called. */
function nameOf({ settings, username, email }: Vouched): string | undefined {
  return settings.match === 'email' ? email : username;
}

/** The highest role that a value of the claim gives. */
function roleOf({ settings: { admins }, claims }: Vouched): AdminRole | undefined {
  if (!admins) return undefined;
  const claim = claims[admins.claim];
  const values = (Array.isArray(claim) ? claim : [claim]).map(String);
  const given = values.flatMap(value => (Object.hasOwn(admins.roles, value) ? [admins.roles[value]!] : []));
  return ADMIN_ROLES.find(role => given.includes(role));
}

function refused(reason: string): HubError {
  return new HubError('authentication-failed', reason);
}
