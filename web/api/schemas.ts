import { z } from '#core/api.js';
import { ADMIN_ROLES } from '#core/db/admin.js';
import { PROOFS, RIGHTS } from '#core/db/users.js';

/** A point in time, in ms since 1970. */
export const time = z.int().describe('Milliseconds since 1970');

/** A password that is set. */
export const newPassword = z.string().min(1, 'is empty').max(1_024);
export const name = z.string().min(1).max(256);

export const publicKeySchema = z
  .object({
    fingerprint: z.string().describe("'SHA256:…'"),
    algorithm: z.string(),
    comment: z.string(),
    data: z.string().describe('The key in base64, as in authorized_keys'),
  })
  .meta({ id: 'PublicKey' });

export const mountSchema = z
  .object({ path: z.string(), storage: z.string(), directory: z.string().describe('Within the storage') })
  .meta({ id: 'Mount' });

export const patternSchema = z
  .object({ path: z.string(), allow: z.array(z.string()), deny: z.array(z.string()), hidden: z.boolean() })
  .meta({ id: 'NamePattern' });

export const rights = z.array(z.enum([...RIGHTS, '*']));

export const userSchema = z
  .object({
    id: z.string(),
    username: z.string(),
    status: z.enum(['active', 'disabled']),
    description: z.string(),
    hasPassword: z.boolean(),
    secondFactor: z.boolean().describe('Whether a code is asked for after the password'),
    keys: z.array(publicKeySchema),
    permissions: z.record(z.string(), rights).describe("Rights by directory; the nearest ancestor's hold"),
    patterns: z.array(patternSchema),
    mounts: z.array(mountSchema).describe("The one at '/' is the home"),
    expiresAt: time.nullable(),
    protocols: z.array(z.string()).describe('Empty means all'),
    addresses: z.array(z.string()).describe('Empty means all'),
    maxSessions: z.int().nullable(),
    methods: z.array(z.string()).describe(`Ways to log in, of ${PROOFS.join(', ')} joined by '+'; empty means any`),
    createdAt: time,
    lastLoginAt: time.nullable(),
    version: z.int(),
  })
  .meta({ id: 'User' });

export const adminSchema = z
  .object({
    id: z.string(),
    username: z.string(),
    role: z.enum(ADMIN_ROLES),
    status: z.enum(['active', 'disabled']),
    hasPassword: z.boolean(),
    secondFactor: z.boolean().describe('Whether a code is asked for after the password'),
    createdAt: time,
    lastLoginAt: time.nullable(),
    version: z.int(),
  })
  .meta({ id: 'Admin' });

/** How many deliveries are in each state. */
export const deliveryCountsSchema = z
  .object({ waiting: z.int(), running: z.int(), succeeded: z.int(), dead: z.int(), dismissed: z.int() })
  .meta({ id: 'DeliveryCounts' });

/** What a change by an admin may tell him. */
export const warning = z.string().optional().describe('What keeps it from working now');
