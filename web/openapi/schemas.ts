import { z } from '#core/api.js';

/** A JSON schema, as far as it is read here. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly description?: string;
  readonly default?: unknown;
}

const LOCAL = '#/$defs/';
const SHARED = '#/components/schemas/';

/** The schemas of a document: those with an id stand once, and are referred to. */
export class SharedSchemas {
  readonly components: Record<string, JsonSchema> = {};

  /** `schema` as JSON schema, or the reference to it. Throws when two different ones have one id. */
  add(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
    const { $schema, $defs, id, ...own } = z.toJSONSchema(schema, { target: 'draft-2020-12', io, unrepresentable: 'any' }) as Converted;
    for (const [name, { id: _id, ...definition }] of Object.entries($defs ?? {})) this.#share(name, definition);
    return id === undefined ? (relocated(own) as JsonSchema) : this.#share(id, own);
  }

  #share(name: string, schema: object): JsonSchema {
    const moved = relocated(schema) as JsonSchema;
    const before = this.components[name];
    if (before && JSON.stringify(before) !== JSON.stringify(moved)) throw new Error(`There are two schemas '${name}'`);
    this.components[name] = moved;
    return { $ref: `${SHARED}${name}` };
  }
}

type Converted = JsonSchema & {
  readonly $schema?: string;
  readonly id?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema & { readonly id?: string }>>;
};

/** With references into the document instead of into the schema. */
function relocated(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relocated);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' && typeof inner === 'string' ? inner.replace(LOCAL, SHARED) : relocated(inner),
    ]),
  );
}
