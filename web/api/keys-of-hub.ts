import { z } from '#core/api.js';
import { OPERATIONS } from '#core/operations/index.js';
import { defineRoute, type Route } from '../http/route.js';

const hostKeySchema = z
  .object({ kind: z.string(), state: z.enum(['offered', 'next', 'old']), fingerprint: z.string(), publicKey: z.string() })
  .meta({ id: 'HostKey' });

const certificateSchema = z
  .object({
    certificate: z.string().describe('The file'),
    key: z.string(),
    names: z.array(z.string()),
    keyType: z.string().optional(),
    issuer: z.string().optional(),
    fingerprint: z.string().optional().describe('SHA-256'),
    notAfter: z.string().optional().describe('RFC 3339'),
    result: z.enum(['ok', 'warn', 'fail']),
    detail: z.string(),
    inUse: z.boolean(),
  })
  .meta({ id: 'Certificate' });

const kind = z.string().min(1).max(32).describe("'ed25519', 'ecdsa' or 'rsa'");

/** What clients know the hub by. */
export const keysOfHubRoutes: readonly Route[] = [
  defineRoute({
    id: 'certificates.list',
    method: 'GET',
    path: '/certificates',
    summary: 'The certificates of the TLS listeners',
    access: 'viewer',
    response: z.object({ items: z.array(certificateSchema) }).meta({ id: 'Certificates' }),
    handle: async ({ services }) => {
      const rows = await OPERATIONS['certificates.list'].run(services.operations, {});
      return { items: rows.map(row => ({ ...row, names: [...row.names] })) };
    },
  }),

  defineRoute({
    id: 'certificates.selfSigned',
    method: 'POST',
    path: '/certificates/self-signed',
    summary: 'Make a new certificate that the hub signs itself, in place of the last one',
    access: 'owner',
    body: z.strictObject({ names: z.array(z.string().min(1).max(253)).max(100).default([]) }).meta({ id: 'SelfSigned' }),
    response: certificateSchema.omit({ inUse: true }).extend({ isUsed: z.boolean() }).meta({ id: 'SelfSignedMade' }),
    handle: async ({ body, services }) => {
      const made = await OPERATIONS['certificates.selfSigned'].run(services.operations, body);
      return { ...made, names: [...made.names] };
    },
  }),

  defineRoute({
    id: 'hostkeys.list',
    method: 'GET',
    path: '/host-keys',
    summary: 'The keys by which SFTP clients know the hub',
    access: 'viewer',
    response: z.object({ items: z.array(hostKeySchema) }).meta({ id: 'HostKeys' }),
    failures: [404],
    handle: async ({ services }) => ({ items: [...(await OPERATIONS['hostkeys.list'].run(services.operations, {}))] }),
  }),

  defineRoute({
    id: 'hostkeys.add',
    method: 'POST',
    path: '/host-keys',
    summary: 'Make the next key of a kind; clients are told it before it is offered',
    access: 'owner',
    status: 201,
    body: z.strictObject({ kind }).meta({ id: 'HostKeyCreate' }),
    response: hostKeySchema,
    failures: [404, 409],
    handle: ({ body, services }) => OPERATIONS['hostkeys.add'].run(services.operations, body),
  }),

  defineRoute({
    id: 'hostkeys.rotate',
    method: 'POST',
    path: '/host-keys/{kind}/rotate',
    summary: 'Offer the next key of a kind to clients that come from now on',
    access: 'owner',
    params: z.strictObject({ kind }),
    response: hostKeySchema,
    failures: [404],
    handle: ({ params, services }) => OPERATIONS['hostkeys.rotate'].run(services.operations, params),
  }),

  defineRoute({
    id: 'hostkeys.remove',
    method: 'DELETE',
    path: '/host-keys/{fingerprint}',
    summary: 'Forget a key that is not offered',
    access: 'owner',
    params: z.strictObject({ fingerprint: z.string().min(1).max(100) }),
    failures: [404],
    handle: async ({ params, services }) => {
      await OPERATIONS['hostkeys.remove'].run(services.operations, params);
    },
  }),
];
