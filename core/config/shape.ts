import type { ZodType } from 'zod';

/** What a schema takes, as far as names, texts and messages need it. */
export type Kind = 'object' | 'string' | 'number' | 'boolean' | 'list' | 'record' | 'choice' | 'union' | 'any';

/** One option or section of a schema, without its wrappers. */
export interface Shape {
  readonly kind: Kind;
  /** The options of a section by name; empty for everything else. */
  readonly children: Readonly<Record<string, ZodType>>;
  readonly description: string | undefined;
  readonly secret: boolean;
  readonly required: boolean;
  /** What the option is when nobody sets it, as it would be written. */
  readonly default: unknown;
  /** What OPTIONS.md says instead of a default that differs from machine to machine. */
  readonly defaultText: string | undefined;
  /** What may be written: "a number between 0 and 65535". */
  readonly expected: string;
}

/** The members of zod's definitions that are read here; which of them are there depends on `type`. */
interface Definition {
  readonly type: string;
  readonly innerType?: ZodType;
  readonly in?: ZodType;
  readonly getter?: () => ZodType;
  readonly shape?: Readonly<Record<string, ZodType>>;
  readonly element?: ZodType;
  readonly options?: readonly ZodType[];
  readonly entries?: Readonly<Record<string, string | number>>;
  readonly values?: readonly unknown[];
  readonly defaultValue?: unknown;
}

interface Meta {
  description?: string;
  secret?: boolean;
  defaultText?: string;
}

/** Describes `schema`. */
export function shapeOf(schema: ZodType): Shape {
  const meta: Meta = {};
  let required = true;
  let byDefault: unknown;
  let inner = schema;
  for (;;) {
    const { description, secret, defaultText } = (inner.meta() ?? {}) as Meta;
    if (description !== undefined) meta.description ??= description;
    if (secret !== undefined) meta.secret ??= secret;
    if (defaultText !== undefined) meta.defaultText ??= defaultText;
    const definition = definitionOf(inner);
    if (definition.type === 'default' || definition.type === 'prefault') byDefault ??= definition.defaultValue;
    if (['default', 'prefault', 'optional', 'catch'].includes(definition.type)) required = false;
    const next = definition.innerType ?? definition.in ?? (definition.type === 'lazy' ? definition.getter?.() : undefined);
    if (!next) break;
    inner = next;
  }
  const definition = definitionOf(inner);
  return {
    kind: KINDS[definition.type] ?? 'any',
    children: definition.shape ?? {},
    description: meta.description,
    secret: meta.secret ?? false,
    required,
    default: byDefault,
    defaultText: meta.defaultText,
    expected: expectedBy(inner, definition),
  };
}

/** A way to an option: the names and the schema at its end. Undefined when `names` lead nowhere. */
export function schemaAt(schema: ZodType, names: readonly PropertyKey[]): ZodType | undefined {
  let current: ZodType | undefined = schema;
  for (const name of names) {
    if (!current) return undefined;
    current = shapeOf(current).children[String(name)];
  }
  return current;
}

/** Every option below `schema`, sections left out, in the order in which they are written. */
export function* optionsOf(schema: ZodType, path: readonly string[] = []): Generator<readonly [path: readonly string[], shape: Shape]> {
  const shape = shapeOf(schema);
  if (shape.kind !== 'object') yield [path, shape];
  else for (const [name, child] of Object.entries(shape.children)) yield* optionsOf(child, [...path, name]);
}

/** The environment variable of an option: 'ENTREPOT_LIMITS__SESSIONS_PER_USER'. */
export function variableName(path: readonly string[]): string {
  return `ENTREPOT_${path.map(snake).join('__')}`;
}

function snake(name: string): string {
  return name
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toUpperCase();
}

/** `text` as the value that an option of this kind takes: a number, true or false, JSON for lists and sections. What is none of them stays a text, for the schema to refuse. */
export function valueFromText(text: string, { kind }: Shape): unknown {
  if (kind === 'string' || kind === 'choice') return text;
  if (kind === 'number') return /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;
  if (kind === 'boolean') return { true: true, false: false, 1: true, 0: false }[text.trim()] ?? text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const KINDS: Readonly<Record<string, Kind>> = {
  object: 'object',
  string: 'string',
  template_literal: 'string',
  number: 'number',
  int: 'number',
  boolean: 'boolean',
  array: 'list',
  tuple: 'list',
  set: 'list',
  record: 'record',
  map: 'record',
  enum: 'choice',
  literal: 'choice',
  union: 'union',
};

function definitionOf(schema: ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

function expectedBy(schema: ZodType, definition: Definition): string {
  switch (KINDS[definition.type] ?? 'any') {
    case 'object':
      return `a section with ${Object.keys(definition.shape ?? {}).join(', ') || 'nothing in it'}`;
    case 'string':
      return 'a text';
    case 'number':
      return expectedNumber(schema as unknown as Bounds);
    case 'boolean':
      return 'true or false';
    case 'list':
      return definition.element ? `a list, each entry ${shapeOf(definition.element).expected}` : 'a list';
    case 'record':
      return 'a section with names and values';
    case 'choice':
      return `one of ${Object.values(definition.entries ?? definition.values ?? [])
        .map(value => `'${value}'`)
        .join(', ')}`;
    case 'union':
      return (definition.options ?? []).map(option => shapeOf(option).expected).join(' or ');
    default:
      return 'a value';
  }
}

interface Bounds {
  readonly minValue: number | null;
  readonly maxValue: number | null;
}

function expectedNumber({ minValue, maxValue }: Bounds): string {
  const lower = minValue !== null && minValue > Number.MIN_SAFE_INTEGER ? minValue : undefined;
  const upper = maxValue !== null && maxValue < Number.MAX_SAFE_INTEGER ? maxValue : undefined;
  if (lower !== undefined && upper !== undefined) return `a number between ${lower} and ${upper}`;
  if (lower !== undefined) return `a number of at least ${lower}`;
  return upper === undefined ? 'a number' : `a number of at most ${upper}`;
}
