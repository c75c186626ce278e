import 'reflect-metadata';
import test from 'ava';
import { API_ROUTES } from '#web/api/index.js';
import { problemSchema } from '#web/http/problem.js';
import { BODIES, PARAMS, QUERIES, SAMPLE_HUB } from './samples.js';
import { startWeb } from './support.js';

const ROUNDS = 100;
const ODD: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  '',
  ' ',
  '\u0000',
  '../../etc/passwd',
  '/\u202e/x',
  'x'.repeat(5_000),
  [],
  [[]],
  {},
  { a: { b: {} } },
  ['a', 'a'],
  '__proto__',
  'constructor',
  '%00',
  '%',
  '{{7*7}}',
  "' or 1=1 --",
  '<script>',
  '\ud800',
  'İ',
  '1970-01-01',
  Number.MAX_SAFE_INTEGER,
];

/** Some are used again, for the same request and for others; some are none. */
const KEYS = [...Array.from({ length: 200 }, (_one, number) => `key-${number}`), 'x'.repeat(255), 'x'.repeat(256), 'a b', 'ü'];

/** The same numbers each time. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

function pick<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)]!;
}

/** `value` with one place of it replaced, added or taken away. */
function mutated(value: unknown, random: () => number): unknown {
  if (Array.isArray(value))
    return random() < 0.5 ? [...value, pick(ODD, random)] : value.map(one => (random() < 0.5 ? mutated(one, random) : one));
  if (typeof value !== 'object' || value === null) return pick(ODD, random);
  const entries = Object.entries(value);
  const chosen = pick([...entries.map(([key]) => key), 'extra'], random);
  if (random() < 0.2) return Object.fromEntries(entries.filter(([key]) => key !== chosen));
  return { ...value, [chosen]: mutated((value as Record<string, unknown>)[chosen], random) };
}

for (const scope of ['admin', 'user'] as const) {
  test(`answers ${ROUNDS} odd requests to each operation as the document says, and never with a failure of its own (${scope})`, async t => {
    const hub = await startWeb(t, { ...SAMPLE_HUB, web: { requestsPerMinute: 1_000_000 } });
    const client = await hub.loggedIn(scope, scope === 'admin' ? 'ada' : 'bob');
    const wanted = API_ROUTES.filter(route => (route.access === 'user' || route.access === 'login' ? scope === 'user' : scope === 'admin'));
    const left = wanted.filter(({ id }) => !['session.end', 'session.create', 'live.listen', 'webhooks.try', 'webhooks.test'].includes(id));
    const random = randoms(42);
    for (const route of left) {
      for (let round = 0; round < ROUNDS / (route.body ? 1 : 4); round++) {
        const path = route.path.replace(/\{(\w+)\*?\}/g, (_all, name: string) =>
          encodeURIComponent(random() < 0.5 ? PARAMS[name]! : String(pick(ODD, random)).replace('\ud800', 'x') || 'x'),
        );
        const names = Object.keys(route.query.shape);
        const query =
          random() < 0.5 || names.length === 0
            ? (QUERIES[route.id] ?? '')
            : `?${pick(names, random)}=${encodeURIComponent(String(pick(ODD, random)).replace('\ud800', 'x'))}`;
        const body =
          route.rawBody !== undefined ? 'content' : route.body ? JSON.stringify(mutated(BODIES[route.id] ?? {}, random)) : undefined;
        const response = await client.raw(route.method, `${path}${query}`, {
          ...(body !== undefined && { body }),
          headers: {
            ...(body !== undefined && { 'content-type': route.rawBody ?? 'application/json' }),
            ...(random() < 0.5 && { 'idempotency-key': pick(KEYS, random) }),
          },
        });
        const text = await response.text();
        const what = `${route.id} ${path.slice(0, 80)} ${query.slice(0, 80)} ${body?.slice(0, 200)} -> ${response.status} ${text.slice(0, 200)}`;
        if (response.status >= 500 && response.status !== 501 && response.status !== 503) t.fail(what);
        else if (response.status >= 400) t.true(problemSchema.safeParse(JSON.parse(text)).success, what);
        else if (route.response && response.status !== 304) t.true(route.response.safeParse(JSON.parse(text)).success, what);
      }
    }
    t.pass();
  });
}
