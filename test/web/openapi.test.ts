import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import test from 'ava';
import { API_ROUTES } from '#web/api/index.js';
import { describeRoutes } from '#web/openapi/document.js';
import { renderTypes } from '#web/openapi/types.js';
import { startWeb } from './support.js';

test('publishes an OpenAPI document that a validator accepts', async t => {
  const hub = await startWeb(t, { web: { requestsPerMinute: 2 } });
  const { status, headers, body } = await hub.browser().get('/openapi.json');
  t.is(status, 200);
  t.is(headers.get('ratelimit-remaining'), '1');
  const { valid, errors } = await new Validator().validate(body as unknown as Parameters<Validator['validate']>[0]);
  t.true(valid, JSON.stringify(errors));
  t.is(String(body.openapi), '3.1.0');
});

test('every route has an operation id of its own, and says who may', t => {
  const ids = API_ROUTES.map(({ id }) => id);
  t.deepEqual(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    [],
  );
  const document = describeRoutes(API_ROUTES, '/');
  for (const path of Object.values(document.paths)) for (const operation of Object.values(path)) t.truthy(operation['x-access']);
});

test("the client's types are those of the routes: `npm run docs` writes them", async t => {
  const file = fileURLToPath(new URL('../../../web/ui/api-types.ts', import.meta.url));
  t.is(await readFile(file, 'utf8'), renderTypes(describeRoutes(API_ROUTES, '/'), API_ROUTES));
});
