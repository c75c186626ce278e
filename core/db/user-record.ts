import { z } from 'zod';
import { HubError } from '../errors.js';
import { checkUsername, foldUsername } from './names.js';
import { type Mount, PROOFS, RIGHTS, type User, type UserFields } from './user.js';

/** A row of `users`. */
export interface UserRow {
  readonly id: string;
  readonly username: string;
  readonly username_folded: string;
  readonly status: string;
  readonly description: string;
  readonly password_hash: string | null;
  readonly permissions: string;
  readonly patterns: string;
  readonly expires_at: number | null;
  readonly protocols: string;
  readonly addresses: string;
  readonly methods: string;
  readonly max_sessions: number | null;
  readonly created_at: number;
  readonly last_login_at: number | null;
  readonly version: number;
}

const path = z.string().startsWith('/', "expected an absolute path, which starts with '/'").max(4_096);
const names = z.array(z.string().min(1).max(255)).max(1_000);
const method = z.string().refine(isMethod, `expected one or several of ${PROOFS.join(', ')}, each once, such as 'publickey+password'`);

/** The variable parts, kept as JSON text. */
const PARTS = {
  permissions: z.record(path, z.array(z.enum([...RIGHTS, '*']))),
  patterns: z.array(z.strictObject({ path, allow: names, deny: names, hidden: z.boolean() })).max(1_000),
  protocols: names,
  addresses: names,
  methods: z.array(method).max(10),
} as const;

const fields = z.strictObject({
  ...PARTS,
  username: z.string(),
  status: z.enum(['active', 'disabled']),
  description: z.string().max(4_000),
  passwordHash: z.string().min(1).max(255).optional(),
  keys: z
    .array(
      z.strictObject({ fingerprint: z.string().max(64), algorithm: z.string().max(64), data: z.string(), comment: z.string().max(1_000) }),
    )
    .max(100)
    .refine(keys => new Set(keys.map(key => key.fingerprint)).size === keys.length, 'holds a key twice'),
  mounts: z
    .array(z.strictObject({ path, storage: z.string().min(1).max(255), directory: path }))
    .max(1_000)
    .refine(mounts => new Set(mounts.map(mount => mount.path)).size === mounts.length, 'holds a path twice'),
  expiresAt: z.int().min(0).optional(),
  maxSessions: z.int().min(1).max(1_000_000).optional(),
});

/** Checks what a caller wants to write. Throws 'invalid-request' that names the field. */
export function checkFields<T extends Partial<UserFields>>(changes: T): T {
  const result = fields.partial().safeParse(changes);
  const issue = result.error?.issues[0];
  if (issue)
    throw new HubError('invalid-request', `${issue.path.join('.') || 'user'}: ${issue.message}`, {
      field: issue.path.join('.') || undefined,
    });
  return changes.username === undefined ? changes : { ...changes, username: checkUsername(changes.username) };
}

/** The columns that `changes` sets. Keys and mounts have tables of their own. */
export function toColumns(changes: Partial<UserFields>): Readonly<Record<string, string | number | null>> {
  const { username, status, description, permissions, patterns, protocols, addresses, methods } = changes;
  return {
    ...(username !== undefined && { username, username_folded: foldUsername(username) }),
    ...(status !== undefined && { status }),
    ...(description !== undefined && { description }),
    ...(permissions !== undefined && { permissions: JSON.stringify(permissions) }),
    ...(patterns !== undefined && { patterns: JSON.stringify(patterns) }),
    ...(protocols !== undefined && { protocols: JSON.stringify(protocols) }),
    ...(addresses !== undefined && { addresses: JSON.stringify(addresses) }),
    ...(methods !== undefined && { methods: JSON.stringify(methods) }),
    ...('passwordHash' in changes && { password_hash: changes.passwordHash ?? null }),
    ...('expiresAt' in changes && { expires_at: changes.expiresAt ?? null }),
    ...('maxSessions' in changes && { max_sessions: changes.maxSessions ?? null }),
  };
}

/** The user of a row. Throws 'internal' when somebody else wrote into it what the hub does not understand. */
export function toUser(row: UserRow, keys: User['keys'], mounts: readonly Mount[]): User {
  const read = <K extends keyof typeof PARTS>(column: K): z.output<(typeof PARTS)[K]> => readPart(row, column);
  return {
    id: row.id,
    username: row.username,
    status: row.status === 'active' ? 'active' : 'disabled',
    description: row.description,
    hasPassword: row.password_hash !== null,
    keys,
    permissions: read('permissions'),
    patterns: read('patterns'),
    mounts,
    expiresAt: row.expires_at ?? undefined,
    protocols: read('protocols'),
    addresses: read('addresses'),
    maxSessions: row.max_sessions ?? undefined,
    methods: read('methods'),
    createdAt: row.created_at,
    lastLoginAt: row.last_login_at ?? undefined,
    version: row.version,
  };
}

function isMethod(text: string): boolean {
  const proofs = text.split('+');
  return new Set(proofs).size === proofs.length && proofs.every(proof => PROOFS.some(known => known === proof));
}

function readPart<K extends keyof typeof PARTS>(row: UserRow, column: K): z.output<(typeof PARTS)[K]> {
  try {
    return PARTS[column].parse(JSON.parse(row[column])) as z.output<(typeof PARTS)[K]>;
  } catch (cause) {
    throw new HubError('internal', `The record of user '${row.username}' is damaged (${column})`, { cause });
  }
}
