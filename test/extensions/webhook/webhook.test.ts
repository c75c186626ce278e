import type { ServerResponse } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { Webhook } from 'standardwebhooks';
import { DeliveryFailure, type GuardedAction, HUB_VERSION, PermanentFailure, type Receipt } from '#core/api.js';
import { newWebhookSecret } from '#core/ids.js';
import webhook from '#extensions/webhook/index.js';
import { webhookOptions } from '#extensions/webhook/options.js';
import { parseRetryAfter } from '#extensions/webhook/sender.js';
import { fakeHost, SESSION, uploadDelivery } from '../support/host.js';
import { type Received, startReceiver, startTcp } from '../support/receiver.js';

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;

function action(allow?: readonly string[]) {
  const fake = fakeHost('/nowhere', allow);
  webhook.register(fake.host, undefined);
  return fake.action('webhook');
}

function optionsFor(url: string, more: object = {}) {
  return webhookOptions.parse({ url, secret: newWebhookSecret(), timeout: '10s', ...more });
}

function headersOf({ headers }: Received): Record<string, string> {
  return headers as Record<string, string>;
}

/** Answers one request and gives what the sender threw. */
async function failureOf(t: ExecutionContext, answer: (response: ServerResponse) => void): Promise<DeliveryFailure> {
  const receiver = await startReceiver(t, answer);
  const error = await t.throwsAsync(async () => action().run(optionsFor(receiver.url), uploadDelivery(), never), {
    instanceOf: DeliveryFailure,
  });
  t.is(receiver.received.length, 1);
  return error as DeliveryFailure;
}

test('sends the event as CloudEvents JSON with a signature that the reference package verifies', async t => {
  const receiver = await startReceiver(t, response => void response.writeHead(202).end('thanks'));
  const options = optionsFor(receiver.url, { headers: { Authorization: 'Bearer x' } });
  for (const path of ['/in/report.csv', '/in/grüße 📦\n"\u202e.csv']) {
    const delivery = uploadDelivery(path);
    const receipt = (await action().run(options, delivery, never)) as Receipt;
    const sent = receiver.received.at(-1)!;
    t.like(receipt, { summary: 'HTTP 202', answer: 'thanks' });
    t.deepEqual(receipt.request?.split('\n'), [
      `POST ${options.url}`,
      'Authorization: (hidden)',
      'content-type: application/cloudevents+json; charset=utf-8',
      `user-agent: entrepot/${HUB_VERSION}`,
      ...['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(name => `${name}: ${String(sent.headers[name])}`),
    ]);
    t.is(sent.method, 'POST');
    t.is(sent.headers['content-type'], 'application/cloudevents+json; charset=utf-8');
    t.is(sent.headers['user-agent'], `entrepot/${HUB_VERSION}`);
    t.is(sent.headers['webhook-id'], delivery.event.id);
    t.is(sent.headers.authorization, 'Bearer x');
    t.deepEqual(new Webhook(options.secret).verify(sent.body, headersOf(sent)), JSON.parse(JSON.stringify(delivery.event)));
  }
});

test('keeps the id at each try', async t => {
  const receiver = await startReceiver(t);
  const delivery = uploadDelivery();
  for (const attempt of [1, 2]) await action().run(optionsFor(receiver.url), { ...delivery, attempt }, never);
  t.deepEqual(
    receiver.received.map(({ headers }) => headers['webhook-id']),
    [delivery.event.id, delivery.event.id],
  );
});

test('signs with the previous secret as well until its time is over', async t => {
  const receiver = await startReceiver(t);
  const previousSecret = newWebhookSecret();
  for (const ahead of [HOUR_MS, -1]) {
    const options = optionsFor(receiver.url, { previousSecret, previousSecretUntil: Date.now() + ahead });
    await action().run(options, uploadDelivery(), never);
    const sent = receiver.received.at(-1)!;
    t.notThrows(() => new Webhook(options.secret).verify(sent.body, headersOf(sent)));
    if (ahead > 0) t.notThrows(() => new Webhook(previousSecret).verify(sent.body, headersOf(sent)));
    else t.throws(() => new Webhook(previousSecret).verify(sent.body, headersOf(sent)));
  }
});

test('takes 500, 404 and 400 as failures to be tried again, and keeps the answer', async t => {
  for (const status of [500, 404, 400]) {
    const error = await failureOf(t, response => void response.writeHead(status).end('why'));
    t.false(error instanceof PermanentFailure);
    t.is(error.message, `HTTP ${status}`);
    t.is(error.answer, 'why');
    t.is(error.retryAfterMs, undefined);
  }
});

test('disables the rule on 410', async t => {
  const error = await failureOf(t, response => void response.writeHead(410).end());
  t.true(error instanceof PermanentFailure && error.disable);
});

test('does not follow a redirect, also not to where it may send', async t => {
  const canary = await startReceiver(t);
  const error = await failureOf(t, response => void response.writeHead(307, { location: canary.url }).end());
  t.is(error.message, 'HTTP 307: answered with a redirect, which is not followed');
  t.is(canary.received.length, 0);
});

test('waits as long as 429 and 503 ask, and no longer than a day', async t => {
  for (const [status, header, expectedMs] of [
    [429, '120', 120_000],
    [503, '7', 7_000],
    [429, '99999999', 24 * HOUR_MS],
    [429, 'soon', undefined],
    [500, '120', undefined],
  ] as const) {
    const error = await failureOf(t, response => void response.writeHead(status, { 'retry-after': header }).end());
    t.is(error.retryAfterMs, expectedMs, header);
  }
});

test('reads Retry-After as seconds and as an HTTP date', t => {
  const now = Date.parse('2026-01-02T03:04:05Z');
  t.is(parseRetryAfter('0', now), 0);
  t.is(parseRetryAfter('Fri, 02 Jan 2026 03:05:05 GMT', now), 60_000);
  t.is(parseRetryAfter('Fri, 02 Jan 2026 03:00:00 GMT', now), 0);
  t.is(parseRetryAfter('Fri, 02 Jan 2099 03:00:00 GMT', now), 24 * HOUR_MS);
  for (const value of [undefined, '', '-5', '1.5', '1e3', 'Fri, nonsense', '2026-01-02'])
    t.is(parseRetryAfter(value, now), undefined, value);
});

test('fails on a receiver that hangs, resets, or answers garbage, and tells the operator how', async t => {
  const hanging = await startTcp(t, () => {});
  const resetting = await startTcp(t, socket => void socket.once('data', () => socket.resetAndDestroy()));
  const garbage = await startTcp(t, socket => void socket.end('\u0000?\r\n\r\n'));
  for (const [port, timeout, message] of [
    [hanging, '200ms', /^No whole answer from .* within 0.2 s$/],
    [resetting, '10s', /connection was cut$/],
    [garbage, '10s', /^The request to .* failed: /],
  ] as const) {
    const error = await t.throwsAsync(
      async () => action().run(optionsFor(`http://127.0.0.1:${port}/`, { timeout }), uploadDelivery(), never),
      { message },
    );
    t.true(error instanceof DeliveryFailure && !(error instanceof PermanentFailure));
  }
});

test('keeps 64 KiB of an answer and is done with it', async t => {
  const receiver = await startReceiver(t, response => void response.end('x'.repeat(1_000_000)));
  const receipt = await action().run(optionsFor(receiver.url), uploadDelivery(), never);
  t.is(typeof receipt === 'object' && receipt.answer?.length, 65_536);
});

test('fails on a private address with the name of the setting, and tries again later', async t => {
  const receiver = await startReceiver(t);
  const error = await t.throwsAsync(async () => action([]).run(optionsFor(receiver.url), uploadDelivery(), never), {
    message: /outbound\.allow/,
  });
  t.true(error instanceof DeliveryFailure && !(error instanceof PermanentFailure));
  t.is(receiver.received.length, 0);
});

test('gives up when the delivery is aborted', async t => {
  const aborting = new AbortController();
  const port = await startTcp(t, () => aborting.abort());
  await t.throwsAsync(async () => action().run(optionsFor(`http://127.0.0.1:${port}/`), uploadDelivery(), aborting.signal), {
    instanceOf: DeliveryFailure,
  });
});

test('has a limit a little above that of the request', t => {
  t.is(action().timeoutMs!(optionsFor('http://127.0.0.1/', { timeout: '20s' })), 25_000);
  t.is(action().timeoutMs!(optionsFor('http://127.0.0.1/', { timeout: undefined })), 15_000);
});

const UPLOAD: GuardedAction = { action: 'upload', session: SESSION, path: '/in/a.exe', replaces: false };

async function askAndAnswer(t: ExecutionContext, status: number, body = '') {
  const receiver = await startReceiver(
    t,
    response => void response.writeHead(status, { 'content-type': 'application/problem+json' }).end(body),
  );
  const options = optionsFor(receiver.url);
  return { asked: async () => action().decide!(options, UPLOAD, never), receiver, options };
}

test('allows an action on 2xx, asked with a signed envelope', async t => {
  const { asked, receiver, options } = await askAndAnswer(t, 200);
  await t.notThrowsAsync(asked);
  const sent = receiver.received[0]!;
  const envelope = new Webhook(options.secret).verify(sent.body, headersOf(sent)) as Record<string, unknown>;
  t.is(envelope.type, 'before.upload');
  t.is(envelope.subject, '/in/a.exe');
  t.is(envelope.id, sent.headers['webhook-id']);
  t.deepEqual(envelope.data, { session: SESSION, path: '/in/a.exe', replaces: false });
});

test('refuses an action on 403 with the detail of the problem, made safe to show', async t => {
  for (const [body, message] of [
    ['{"detail":"no programs here"}', 'no programs here'],
    ['{"detail":"a\\nb\\u001b[31m"}', 'a\\nb\\x1b[31m'],
    ['{"detail":42}', 'refused by a rule'],
    ['null', 'refused by a rule'],
    ['<html>', 'refused by a rule'],
  ] as const) {
    const { asked } = await askAndAnswer(t, 403, body);
    await t.throwsAsync(asked, { code: 'permission-denied', message });
  }
});

test("refuses an action as 'unavailable' on any other answer, and on none", async t => {
  for (const status of [302, 400, 404, 410, 500]) {
    const { asked } = await askAndAnswer(t, status);
    await t.throwsAsync(asked, { code: 'unavailable', message: `Refused: the check answered with HTTP ${status}` });
  }
  const hanging = await startTcp(t, () => {});
  const options = optionsFor(`http://127.0.0.1:${hanging}/`, { timeout: '200ms' });
  await t.throwsAsync(async () => action().decide!(options, UPLOAD, never), {
    code: 'unavailable',
    message: 'Refused: the check did not answer',
  });
});

test('leaves the content of a staged upload out of the envelope', async t => {
  const receiver = await startReceiver(t);
  const publish = { action: 'publish', session: SESSION, path: '/a', size: 1, content: () => t.fail() } as unknown as GuardedAction;
  await action().decide!(optionsFor(receiver.url), publish, never);
  t.deepEqual(JSON.parse(receiver.received[0]!.body).data, { session: SESSION, path: '/a', size: 1 });
});

test('checks the options of a rule', t => {
  const secret = newWebhookSecret();
  const url = 'https://example.com/hook';
  for (const wrong of [
    { url: 'ftp://example.com/', secret },
    { url: 'https://a:b@example.com/', secret },
    { url: 'example.com', secret },
    { url, secret: 'whsec_short' },
    { url },
    { url, secret, unknown: 1 },
    { url, secret, timeout: '15' },
    { url, secret, timeout: '1h' },
    { url, secret, headers: { 'webhook-id': 'x' } },
    { url, secret, headers: { 'Webhook-Signature': 'x' } },
    { url, secret, headers: { Host: 'x' } },
    { url, secret, headers: { 'content-length': '1' } },
    { url, secret, headers: { 'x-a': 'b\r\nx-c: d' } },
    { url, secret, headers: { 'x-a\r\nx-c': 'd' } },
    { url, secret, headers: { 'x a': 'd' } },
  ])
    t.false(webhookOptions.safeParse(wrong).success, JSON.stringify(wrong));
  t.is(webhookOptions.parse({ url, secret, timeout: '20s' }).timeout, 20_000);
  t.true(webhookOptions.safeParse({ url, secret, headers: { Authorization: 'Bearer x' } }).success);
});
