import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { type ApiClient, type Json, startWeb } from './support.js';

interface Message {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: Json;
}

/** Opens the stream, and gives the next message of a kind. */
async function listen(t: ExecutionContext, client: ApiClient, lastEventId?: string) {
  const response = await client.raw('GET', '/live', {
    headers: { 'accept-encoding': 'gzip', ...(lastEventId && { 'last-event-id': lastEventId }) },
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  t.teardown(() => reader.cancel().catch(() => undefined));
  let text = '';
  const seen: Message[] = [];
  return async (event: string, matches: (data: Json) => boolean = () => true): Promise<Message> => {
    for (;;) {
      const at = seen.findIndex(message => message.event === event && matches(message.data));
      if (at >= 0) return seen.splice(at, 1)[0]!;
      const { value, done } = await reader.read();
      if (done) throw new Error(`the stream ended before '${event}'`);
      text += value;
      const parts = text.split('\n\n');
      text = parts.pop()!;
      for (const part of parts) {
        const fields = Object.fromEntries(
          part.split('\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
        );
        if (fields.event) seen.push({ event: fields.event, id: fields.id, data: JSON.parse(fields.data ?? '{}') as Json });
      }
    }
  };
}

const isUpload = (path: string) => (data: Json) => String(data.type) === 'upload.completed' && String(data.subject) === path;

test('tells what happens as it happens, and what was missed after a break', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const ada = await hub.loggedIn('admin', 'ada');
  const next = await listen(t, ada);
  await next('ready');
  const alice = await hub.loggedIn('user', 'alice');
  await alice.raw('PUT', '/files/content?path=/one', { body: '1' });
  const first = await next('event', isUpload('/one'));
  t.is(first.id, String(first.data.id));
  t.like((await next('sessions', data => Number(data.total) === 1)).data.items![0], { user: 'alice', protocol: 'web' });
  await alice.raw('PUT', '/files/content?path=/two', { body: '2' });
  await hub.event('upload.completed', ({ subject }) => subject === '/two');
  const resumed = await listen(t, ada, first.id);
  t.is(String((await resumed('event')).data.subject), '/two');
});

test('tells a user of his own files only', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' }, bob: { password: 'pw' } } });
  const [alice, bob] = [await hub.loggedIn('user', 'alice'), await hub.loggedIn('user', 'bob')];
  const next = await listen(t, alice);
  await next('ready');
  await bob.raw('PUT', '/files/content?path=/bobs', { body: '1' });
  await alice.raw('PUT', '/files/content?path=/own', { body: '1' });
  t.is(String((await next('event', data => String(data.type) === 'upload.completed')).data.subject), '/own');
});

test('shows a failing receiver try by try; it is sent again, and a range of events too, with the ids of then', async t => {
  let status = 500;
  const received: string[] = [];
  const receiver = createServer((request, response) => {
    received.push(String(request.headers['webhook-id']));
    request.resume();
    response.writeHead(status).end('answer');
  });
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve));
  t.teardown(() => receiver.close());
  const hub = await startWeb(t, {
    users: { alice: { password: 'pw' } },
    values: { outbound: { allow: ['127.0.0.1'] }, events: { retry: ['100ms'] } },
  });
  const ada = await hub.loggedIn('admin', 'ada');
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const tried = await ada.post('/webhooks/test', { url });
  t.like(tried.body, { ok: false, answer: 'answer' });
  t.regex(
    String(tried.body.request),
    /^POST http:\/\/127.0.0.1:\d+\/hook\ncontent-type: .*\nwebhook-signature: v1,\S+\n\n\{"specversion"/s,
  );
  const added = await ada.post('/webhooks', { url, events: ['upload.completed'] });
  t.is(added.status, 201);
  t.regex(String(added.body.secret), /^whsec_/);
  const { id } = added.body.webhook!;
  const next = await listen(t, ada);
  await next('ready');
  const alice = await hub.loggedIn('user', 'alice');
  await alice.raw('PUT', '/files/content?path=/f', { body: '1' });
  const event = await hub.event('upload.completed');
  await next('delivery', data => String(data.state) === 'waiting');
  const dead = await next('delivery', data => String(data.state) === 'dead');
  t.like((await ada.get(`/deliveries?webhook=${id}&state=dead`)).body, {
    total: 1,
    items: [{ eventId: event.id, attempts: 2, lastError: 'HTTP 500' }],
  });
  status = 200;
  t.is((await ada.post(`/deliveries/${dead.data.id}/redeliver`)).status, 200);
  await next('delivery', data => String(data.state) === 'succeeded');
  const tries = (await ada.get(`/deliveries/${dead.data.id}`)).body.tries as unknown as { summary: string; request: string }[];
  t.is(tries[2]!.summary, 'HTTP 200');
  for (const { request } of tries) {
    t.true(request.startsWith(`POST ${url}\n`));
    t.true(request.includes(`webhook-id: ${event.id}\n`));
  }
  t.like((await ada.post('/events/replay', { since: 0, type: 'upload.*', dryRun: true })).body, { events: 1, deliveries: 1 });
  t.like((await ada.post('/events/replay', { since: 0, type: 'upload.*' })).body, { events: 1, deliveries: 1 });
  await next('delivery', data => String(data.state) === 'succeeded');
  t.like((await ada.post(`/events/${event.id}/replay`, { webhooks: [String(id)] })).body, { deliveries: 1 });
  await next('delivery', data => String(data.state) === 'succeeded');
  t.deepEqual(new Set(received.slice(1)), new Set([event.id]));
  t.is(received.length, 6);
  t.like((await ada.get('/webhooks')).body.items![0], { deliveries: { succeeded: 1, dead: 0 } });
});

test('keeps an address out, and lets it in by the rule that wins', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } }, web: { trustedProxies: ['127.0.0.1'] } });
  const ada = await hub.loggedIn('admin', 'ada');
  const deny = await ada.post('/address-rules', { range: '192.0.2.0/24', action: 'deny' });
  t.is(deny.status, 201);
  const there = { 'x-forwarded-for': '192.0.2.1' };
  const login = async () => (await hub.browser().post('/session', { scope: 'user', username: 'alice', password: 'pw' }, there)).status;
  for (let tries = 0; tries < 50 && (await login()) !== 403; tries++) await new Promise(resolve => setTimeout(resolve, 20));
  t.is(await login(), 403);
  t.is((await ada.post('/address-rules', { range: '192.0.2.1', action: 'allow' })).status, 201);
  for (let tries = 0; tries < 50 && (await login()) !== 200; tries++) await new Promise(resolve => setTimeout(resolve, 20));
  t.is(await login(), 200);
  t.is((await ada.post('/address-rules', { range: '192.0.2.1/32', action: 'deny' })).status, 409);
  t.is((await ada.post('/address-rules', { range: '300.0.0.1', action: 'deny' })).status, 400);
});
