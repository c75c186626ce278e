import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { didYouMean } from '../config/nearest.js';
import { checkUsername } from '../db/names.js';
import { parsePublicKey } from '../db/public-keys.js';
import { DEFAULT_RIGHTS } from '../db/user.js';
import { type Mount, type NamePattern, type Permissions, RIGHTS, type User, type UserFields } from '../db/users.js';
import { about, HubError } from '../errors.js';
import { randomToken } from '../ids.js';
import { parseRange } from '../net.js';
import { ensureDirectory } from '../storage/ensure-directory.js';
import { virtualPath } from '../vfs/path.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';
import { noSuchUser } from './strangers.js';
import { cannotLogIn, wantsPassword } from './ways-in.js';

const HOME = '/';
const MAX_PASSWORD_LENGTH = 1_024;

const username = z.string().max(256);
const password = z.string().min(1, 'expected a password; it is empty').max(MAX_PASSWORD_LENGTH);
/** Rights by directory; null takes a directory's entry away. */
const permissions = z.record(z.string(), z.array(z.string()).nullable());
/** Patterns by directory; empty lists take a directory's entry away. */
const patterns = z.array(
  z.strictObject({
    path: z.string(),
    allow: z.array(z.string().min(1)).optional(),
    deny: z.array(z.string().min(1)).optional(),
    hidden: z.boolean().optional(),
  }),
);

const settings = {
  password: password.optional(),
  /** 'STORAGE:/path'. */
  home: z.string().optional(),
  description: z.string().max(1_000).optional(),
  permissions: permissions.optional(),
  patterns: patterns.optional(),
  /** Milliseconds since 1970; null for never. */
  expiresAt: z.int().positive().nullable().optional(),
  protocols: z.array(z.string()).optional(),
  addresses: z.array(z.string()).optional(),
  maxSessions: z.int().min(1).nullable().optional(),
  /** Ways to log in, such as 'publickey+password'; empty for any one. */
  methods: z.array(z.string()).optional(),
  /** All mounts but the home, in place of those that there are. */
  mounts: z
    .array(z.strictObject({ path: z.string(), target: z.string() }))
    .max(1_000)
    .optional(),
};
type Settings = z.output<z.ZodObject<typeof settings>>;

const named = z.strictObject({ username });

/** What administrators do with users. */
export const userOperations = {
  /** Adds a user. A password that is needed and not given is made and given back, this once. `warning` tells why he cannot log in yet. */
  'users.add': operation(z.strictObject({ username, ...settings, keys: z.array(z.string()).optional() }), async (services, input) => {
    const name = await about('username', () => checkUsername(input.username));
    const hasKey = Boolean(input.keys?.length);
    const made = input.password === undefined && wantsPassword(input.methods ?? [], hasKey) ? randomToken(15) : undefined;
    const home = await about('home', () => mount(services, HOME, input.home ?? `data:/${name}`));
    const fields: UserFields = {
      username: name,
      status: 'active',
      description: '',
      keys: await about('keys', () => (input.keys ?? []).map(parsePublicKey)),
      permissions: { '/': DEFAULT_RIGHTS },
      patterns: [],
      mounts: [home],
      expiresAt: undefined,
      protocols: [],
      addresses: [],
      maxSessions: undefined,
      ...(await changesOf(
        services,
        { ...input, home: undefined, password: input.password ?? made },
        { permissions: { '/': DEFAULT_RIGHTS }, patterns: [], mounts: [home] },
      )),
    };
    if (await services.users.findByUsername(name))
      throw new HubError('already-exists', `There is a user '${name}' already`, { field: 'username' });
    for (const made of fields.mounts) await about(made === home ? 'home' : 'mounts', () => makeDirectory(services, made));
    const user = await services.users.create(fields);
    return { user, ...(made !== undefined && { password: made }), ...warningOf(user) };
  }),

  'users.list': operation(
    z.strictObject({ search: z.string().optional(), cursor: z.string().optional(), limit: z.int().min(1).max(1_000).default(1_000) }),
    async ({ users }, { search, cursor, limit }) => users.page(search === undefined ? {} : { search }, cursor, limit),
  ),

  'users.show': operation(named, async (services, input) => find(services, input.username)),

  /**
   * Changes what is given. `warning` tells why the user cannot log in, where ways to log in are given. A new password ends the user's
   * browser sessions alone; a status other than active ends all. Throws 'conflict' for a `version` that is not current.
   */
  'users.set': operation(
    z.strictObject({ username, ...settings, status: z.enum(['active', 'disabled']).optional(), version: z.int().optional() }),
    async (services, input) => {
      const user = await find(services, input.username);
      const changes = await changesOf(services, input, user);
      for (const made of changes.mounts ?? []) {
        if (!user.mounts.some(({ path, storage, directory }) => isDeepStrictEqual({ path, storage, directory }, made)))
          await about(made.path === HOME ? 'home' : 'mounts', () => makeDirectory(services, made));
      }
      const all = { ...changes, ...(input.status && { status: input.status }) };
      const changed = await services.users.update(user.id, all, input.version ?? user.version);
      if (input.password !== undefined) await services.webSessions.endAll('user', user.id);
      if (changed.status !== 'active') await endSessions(services, changed, 'The account was disabled');
      return { ...changed, ...(input.methods && warningOf(changed)) };
    },
  ),

  'users.disable': operation(named, async (services, input) => setStatus(services, input.username, 'disabled')),
  'users.enable': operation(named, async (services, input) => setStatus(services, input.username, 'active')),

  /** Deletes the account and ends its sessions; its files stay. Throws 'conflict' for a `version` that is not current. */
  'users.remove': operation(z.strictObject({ username, version: z.int().optional() }), async (services, input) => {
    const user = await find(services, input.username);
    await services.users.delete(user.id, input.version);
    await services.secondFactors.remove('user', user.id);
    await endSessions(services, user, 'The account was removed');
    return { username: user.username, mounts: user.mounts };
  }),

  /** For who lost his device: what the user proved himself by before lets him in again. */
  'users.reset-second-factor': operation(named, async (services, input) => {
    const user = await find(services, input.username);
    if (!(await services.secondFactors.remove('user', user.id))) throw new HubError('not-found', `'${user.username}' has no second factor`);
    return user;
  }),

  'users.keys.add': operation(z.strictObject({ username, key: z.string() }), async (services, input) => {
    const user = await find(services, input.username);
    const key = parsePublicKey(input.key);
    if (user.keys.some(({ fingerprint }) => fingerprint === key.fingerprint))
      throw new HubError('already-exists', `'${user.username}' has this key already`);
    await services.users.update(user.id, { keys: [...user.keys, key] }, user.version);
    return key;
  }),

  /** Takes away the key of this fingerprint or comment. */
  'users.keys.remove': operation(z.strictObject({ username, key: z.string() }), async (services, input) => {
    const user = await find(services, input.username);
    const found = user.keys.filter(({ fingerprint, comment }) => fingerprint === input.key || comment === input.key);
    if (found.length === 0)
      throw new HubError(
        'not-found',
        `'${user.username}' has no key '${input.key}'${didYouMean(
          input.key,
          user.keys.map(({ fingerprint }) => fingerprint),
        )}`,
      );
    if (found.length > 1)
      throw new HubError('conflict', `Several keys of '${user.username}' are called '${input.key}'; give the fingerprint`);
    await services.users.update(user.id, { keys: user.keys.filter(key => key !== found[0]) }, user.version);
    return found[0]!;
  }),

  'users.mounts.add': operation(z.strictObject({ username, path: z.string(), target: z.string() }), async (services, input) => {
    const user = await find(services, input.username);
    const added = await mount(services, absolute(input.path), input.target);
    if (user.mounts.some(({ path }) => path === added.path))
      throw new HubError('already-exists', `'${user.username}' has something at ${added.path} already; remove that mount first`);
    await makeDirectory(services, added);
    return (await services.users.update(user.id, { mounts: [...user.mounts, added] }, user.version)).mounts;
  }),

  'users.mounts.list': operation(named, async (services, input) => (await find(services, input.username)).mounts),

  'users.mounts.remove': operation(z.strictObject({ username, path: z.string() }), async (services, input) => {
    const user = await find(services, input.username);
    const path = absolute(input.path);
    if (path === HOME) throw new HubError('invalid-request', 'The home cannot be removed; `entrepot user set --home` replaces it');
    const mounts = user.mounts.filter(other => other.path !== path);
    if (mounts.length === user.mounts.length) throw new HubError('not-found', `'${user.username}' has no mount at ${path}`);
    return (await services.users.update(user.id, { mounts }, user.version)).mounts;
  }),
};

async function find(services: OperationServices, name: string): Promise<User> {
  const user = await services.users.findByUsername(name);
  if (user) return user;
  throw new HubError('not-found', await noSuchUser(services, name));
}

function warningOf(user: User): { readonly warning?: string } {
  const warning = cannotLogIn(user);
  return warning === undefined ? {} : { warning };
}

async function setStatus(services: OperationServices, name: string, status: User['status']): Promise<User> {
  const user = await find(services, name);
  const changed = await services.users.update(user.id, { status }, user.version);
  if (status === 'disabled') await endSessions(services, changed, 'The account was disabled');
  return changed;
}

async function endSessions({ sessions, webSessions }: OperationServices, user: User, reason: string): Promise<void> {
  await webSessions.endAll('user', user.id);
  const open = (await sessions.list()).filter(session => session.user === user.username);
  await Promise.all(open.map(session => sessions.end(session.id, reason).catch(alreadyEnded)));
}

/** The registry hears of the change as well, and may have been faster. */
function alreadyEnded(error: unknown): void {
  if (!(error instanceof HubError) || error.code !== 'not-found') throw error;
}

async function changesOf(
  services: OperationServices,
  input: Settings,
  current: Pick<User, 'permissions' | 'patterns' | 'mounts'>,
): Promise<Partial<UserFields>> {
  const changes: { -readonly [K in keyof UserFields]?: UserFields[K] } = {};
  if (input.password !== undefined) changes.passwordHash = await services.passwords.hash(input.password);
  if (input.description !== undefined) changes.description = input.description;
  if (input.permissions) changes.permissions = await about('permissions', () => mergePermissions(current.permissions, input.permissions!));
  if (input.patterns) changes.patterns = await about('patterns', () => mergePatterns(current.patterns, input.patterns!));
  if (input.expiresAt !== undefined) changes.expiresAt = (await about('expiresAt', () => checkExpiry(input.expiresAt!))) ?? undefined;
  if (input.protocols) changes.protocols = await about('protocols', () => checkProtocols(services, input.protocols!));
  if (input.addresses) changes.addresses = await about('addresses', () => checkAddresses(input.addresses!));
  if (input.maxSessions !== undefined) changes.maxSessions = input.maxSessions ?? undefined;
  if (input.methods) changes.methods = [...new Set(input.methods)];
  if (input.home !== undefined || input.mounts) changes.mounts = await mountsOf(services, input, current.mounts);
  return changes;
}

async function mountsOf(services: OperationServices, { home, mounts }: Settings, current: readonly Mount[]): Promise<readonly Mount[]> {
  const isHome = ({ path }: Mount) => path === HOME;
  const kept = home === undefined ? current.filter(isHome) : [await about('home', () => mount(services, HOME, home))];
  if (!mounts) return [...kept, ...current.filter(other => !isHome(other))];
  const added: Mount[] = [];
  for (const [index, { path, target }] of mounts.entries()) {
    const one = await about(`mounts.${index}`, () => mount(services, absolute(path), target));
    if (isHome(one)) throw new HubError('invalid-request', 'What is at / is the home', { field: `mounts.${index}.path` });
    added.push(one);
  }
  return [...kept, ...added];
}

function mergePermissions(current: Permissions, given: z.output<typeof permissions>): Permissions {
  const merged: Record<string, Permissions[string]> = { ...current };
  for (const [raw, rights] of Object.entries(given)) {
    const path = absolute(raw);
    if (rights === null) {
      if (path === HOME) throw new HubError('invalid-request', "The rights at '/' can be changed and not removed");
      delete merged[path];
    } else {
      merged[path] = rights.map(right => {
        const known = ['*', ...RIGHTS] as const;
        const found = known.find(name => name === right);
        if (!found)
          throw new HubError(
            'invalid-request',
            `There is no right '${right}'${didYouMean(right, known) || `; there are ${known.join(', ')}`}`,
          );
        return found;
      });
    }
  }
  return merged;
}

function mergePatterns(current: readonly NamePattern[], given: z.output<typeof patterns>): readonly NamePattern[] {
  const merged = new Map(current.map(pattern => [pattern.path, pattern]));
  for (const { path: raw, allow, deny, hidden } of given) {
    const path = absolute(raw);
    const before = merged.get(path) ?? { path, allow: [], deny: [], hidden: false };
    const after = { path, allow: allow ?? before.allow, deny: deny ?? before.deny, hidden: hidden ?? before.hidden };
    if (hidden && after.allow.length + after.deny.length === 0)
      throw new HubError(
        'invalid-request',
        `Every name below '${path}' is allowed, so none can be hidden; say which are allowed or denied there`,
      );
    merged.set(path, after);
  }
  return [...merged.values()].filter(({ allow, deny }) => allow.length + deny.length > 0);
}

function checkExpiry(expiresAt: number | null): number | null {
  if (expiresAt === null || expiresAt > Date.now()) return expiresAt;
  throw new HubError('invalid-request', `${new Date(expiresAt).toISOString()} is past; \`entrepot user disable\` keeps a user out now`);
}

function checkProtocols({ protocols }: OperationServices, given: readonly string[]): readonly string[] {
  for (const name of given) {
    if (!protocols.includes(name))
      throw new HubError(
        'invalid-request',
        `There is no protocol '${name}'${didYouMean(name, protocols) || `; there are ${protocols.join(', ')}`}`,
      );
  }
  return [...new Set(given)];
}

function checkAddresses(given: readonly string[]): readonly string[] {
  for (const range of given) parseRange(range);
  return [...new Set(given)];
}

/** A mount of 'STORAGE:/path', its storage checked. */
async function mount({ storageRegistry }: OperationServices, path: string, target: string): Promise<Mount> {
  const match = /^([^:/]+)(?::(.*))?$/s.exec(target);
  if (!match) throw new HubError('invalid-request', `Expected STORAGE:/path, such as data:/reports, got '${target}'`);
  const known = await storageRegistry.definitions();
  const storage = known.find(({ name }) => name === match[1]);
  if (!storage)
    throw new HubError(
      'not-found',
      `There is no storage '${match[1]}'${didYouMean(
        match[1]!,
        known.map(({ name }) => name),
      )}`,
    );
  return { path, storage: storage.name, directory: virtualPath(match[2] ?? '/') };
}

async function makeDirectory({ storageRegistry, log }: OperationServices, { storage, directory }: Mount): Promise<void> {
  const backend = await storageRegistry.backend(storage);
  try {
    await ensureDirectory(backend, directory);
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'unsupported') throw error;
    log.debug({ storage, directory }, 'The storage makes no directories; the mount is used as it is');
  }
}

function absolute(path: string): string {
  if (!path.startsWith('/')) throw new HubError('invalid-request', `Expected a path that starts with '/', got '${path}'`);
  return virtualPath(path);
}
