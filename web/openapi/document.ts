import { HUB_VERSION, type z } from '#core/api.js';
import { problemSchema } from '../http/problem.js';
import type { Fields, Route } from '../http/route.js';
import { type JsonSchema, SharedSchemas } from './schemas.js';

/** An OpenAPI 3.1 document, as far as it is read here. */
export interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>>; readonly securitySchemes: object };
}

/** What one method of a path does. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly security: readonly object[];
  /** Who may: a role of admins and those above it, users, everyone who is logged in, or everyone. */
  readonly 'x-access': string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: true; readonly content: Readonly<Record<string, { readonly schema?: JsonSchema }>> };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: object; readonly headers?: object }>>;
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

const DESCRIPTION = `Everything that the pages of the hub do. Failures are application/problem+json (RFC 9457) with a \`code\`.
Log in by POST /session (a cookie), or send a key as \`Authorization: Bearer …\`.`;

/** Describes `routes`; the same text for the same routes. */
export function describeRoutes(routes: readonly Route[], basePath: string): OpenApiDocument {
  const schemas = new SharedSchemas();
  const problem = schemas.add(problemSchema, 'output');
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    const path = route.path.replace(/\{(\w+)\*\}/g, '{$1}');
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operationOf(route, schemas, problem);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Entrepot', version: HUB_VERSION, description: DESCRIPTION },
    servers: [{ url: `${basePath}api/v1` }],
    tags: [...new Set(routes.map(tagOf))].map(name => ({ name })),
    paths,
    components: {
      schemas: schemas.components,
      securitySchemes: {
        session: { type: 'apiKey', in: 'cookie', name: '__Host-entrepot', description: "'entrepot' on plain HTTP" },
        key: { type: 'http', scheme: 'bearer' },
      },
    },
  };
}

function operationOf(route: Route, schemas: SharedSchemas, problem: JsonSchema): Operation {
  return {
    operationId: route.id,
    summary: route.summary,
    ...(route.description !== undefined && { description: route.description }),
    tags: [tagOf(route)],
    security: route.access === 'public' ? [] : [{ session: [] }, ...(route.keys === false ? [] : [{ key: [] }])],
    'x-access': route.access,
    parameters: [
      ...parametersOf(route.params, 'path', schemas),
      ...parametersOf(route.query, 'query', schemas),
      ...(route.versioned ? [IF_MATCH] : []),
      ...(route.method === 'POST' && route.access !== 'public' ? [IDEMPOTENCY_KEY] : []),
    ],
    ...bodyOf(route, schemas),
    responses: { ...successOf(route, schemas), ...failuresOf(route, problem) },
  };
}

const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'Sent again within a day, the request is not done again; the answer is the same',
  schema: { type: 'string' },
};

const IF_MATCH: Parameter = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description: 'The ETag of the version that is to be changed; another one is 412',
  schema: { type: 'string' },
};

function parametersOf(fields: Fields, place: 'path' | 'query', schemas: SharedSchemas): readonly Parameter[] {
  return Object.entries(fields.shape as Readonly<Record<string, z.ZodType>>).map(([name, schema]) => {
    const { description, ...json } = schemas.add(schema, 'input');
    const required = place === 'path' || !schema.safeParse(undefined).success;
    return { name, in: place, required, ...(description !== undefined && { description }), schema: json };
  });
}

function bodyOf({ body, rawBody }: Route, schemas: SharedSchemas): Pick<Operation, 'requestBody'> {
  if (rawBody !== undefined) return { requestBody: { required: true, content: { [rawBody]: {} } } };
  if (!body) return {};
  return { requestBody: { required: true, content: { 'application/json': { schema: schemas.add(body, 'input') } } } };
}

function successOf({ response, rawResponse, messages, status, versioned }: Route, schemas: SharedSchemas) {
  const headers = versioned && response ? { headers: { ETag: { schema: { type: 'string' } } } } : {};
  if (rawResponse !== undefined) {
    const media = messages ? { 'x-messages': schemas.add(messages, 'output') } : {};
    return { [status ?? 200]: { description: 'Done', content: { [rawResponse]: media } } };
  }
  if (!response) return { 204: { description: 'Done' } };
  const content = { 'application/json': { schema: schemas.add(response, 'output') } };
  return { [status ?? 200]: { description: 'Done', content, ...headers } };
}

function failuresOf({ access, versioned, failures = [] }: Route, problem: JsonSchema) {
  const codes = new Set<number | 'default'>([
    400,
    ...(access === 'public' ? [] : [401, 403]),
    ...(versioned ? [412] : []),
    429,
    ...failures,
  ]);
  if (access === 'public') codes.add(401);
  return Object.fromEntries(
    [...codes, 'default' as const].map(code => [
      code,
      { description: 'Refused', content: { 'application/problem+json': { schema: problem } } },
    ]),
  );
}

function tagOf({ id }: Route): string {
  return id.split('.')[0]!;
}
