import { randomBytes } from 'node:crypto';
import test from 'ava';
import { Webhook } from 'standardwebhooks';
import { newWebhookSecret } from '#core/ids.js';
import { secretKey, signatureHeaders } from '#extensions/webhook/signature.js';

const BODY = '{"name":"grüße 📦 \\u0000"}';

test("makes what the reference package verifies, with any secret of 24 to 64 bytes and the hub's own", t => {
  const secrets = [newWebhookSecret(), ...[24, 32, 33, 64].map(length => `whsec_${randomBytes(length).toString('base64')}`)];
  for (const secret of secrets)
    t.deepEqual(new Webhook(secret).verify(BODY, signatureHeaders([secret], 'msg-1', new Date(), BODY)), JSON.parse(BODY));
});

test('makes what the reference package makes', t => {
  const secret = newWebhookSecret();
  const at = new Date('2026-01-02T03:04:05.678Z');
  t.deepEqual(signatureHeaders([secret], 'msg-1', at, BODY), {
    'webhook-id': 'msg-1',
    'webhook-timestamp': '1767323045',
    'webhook-signature': new Webhook(secret).sign('msg-1', at, BODY),
  });
});

test('signs with both secrets during a rotation, so that either verifies and another does not', t => {
  const [current, previous, other] = [newWebhookSecret(), newWebhookSecret(), newWebhookSecret()];
  const headers = signatureHeaders([current, previous], 'msg-1', new Date(), BODY);
  t.regex(headers['webhook-signature']!, /^v1,\S+ v1,\S+$/);
  t.notThrows(() => new Webhook(current).verify(BODY, headers));
  t.notThrows(() => new Webhook(previous).verify(BODY, headers));
  t.throws(() => new Webhook(other).verify(BODY, headers));
  t.throws(() => new Webhook(current).verify(`${BODY} `, headers));
});

test('takes no secret that is short, long, without prefix or not base64', t => {
  const encoded = (length: number) => randomBytes(length).toString('base64');
  for (const secret of [
    '',
    'whsec_',
    encoded(32),
    `whsec_${encoded(23)}`,
    `whsec_${encoded(65)}`,
    `whsec_${encoded(32)}!`,
    `whsec-${encoded(32)}`,
  ]) {
    t.is(secretKey(secret), undefined, secret);
    t.throws(() => signatureHeaders([secret], 'msg-1', new Date(), BODY), { instanceOf: RangeError });
  }
});

test('takes no id with a dot, because the signed text is joined by dots', t => {
  t.throws(() => signatureHeaders([newWebhookSecret()], 'a.b', new Date(), BODY), { instanceOf: RangeError });
});
