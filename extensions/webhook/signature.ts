import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;

/** The key in a secret of Standard Webhooks: 'whsec_' and 24 to 64 bytes in base64. Undefined when `secret` is none. */
export function secretKey(secret: string): Buffer | undefined {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : '';
  const key = Buffer.from(text, 'base64');
  const isCanonical = key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
  return isCanonical && key.length >= MIN_KEY_BYTES && key.length <= MAX_KEY_BYTES ? key : undefined;
}

/**
 * The headers of Standard Webhooks 1.0.0 for one try: `id` is the same at each try, `at` is the time of this one. Signs
 * with every secret, separated by spaces, so that a receiver may hold either during a rotation. Throws RangeError when
 * a secret is malformed or `id` holds a dot.
 */
export function signatureHeaders(secrets: readonly string[], id: string, at: Date, body: string): Record<string, string> {
  if (id.includes('.')) throw new RangeError('The id of a message must not hold a dot');
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = secrets.map(secret => {
    const key = secretKey(secret);
    if (!key) throw new RangeError('The secret of the webhook is malformed');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
