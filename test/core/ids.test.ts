import test from 'ava';
import { newWebhookSecret, randomToken, uuidv7 } from '#core/ids.js';

test('ids are of version 7, unique, and sort as they were made, however many there are in a millisecond', t => {
  const ids = Array.from({ length: 50_000 }, () => uuidv7());
  t.is(new Set(ids).size, ids.length);
  t.deepEqual([...ids].sort(), ids);
  for (const id of ids.slice(0, 100)) t.regex(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('tokens and secrets have the length that they promise', t => {
  t.is(Buffer.from(randomToken(), 'base64url').length, 16);
  t.is(Buffer.from(randomToken(32), 'base64url').length, 32);
  t.is(Buffer.from(newWebhookSecret().slice('whsec_'.length), 'base64').length, 32);
});
