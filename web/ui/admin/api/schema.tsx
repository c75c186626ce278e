import { useState } from 'react';
import { Tag } from '../../components/index.js';
import { useSpeech } from '../../lib/texts.js';
import classes from './api.module.css';

/** JSON Schema, as far as the hub's document has it. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly default?: unknown;
}

/** The schemas that have a name. */
export type Shared = Readonly<Record<string, Schema>>;

const MAX_VALUES = 12;

/** A schema in a few characters: 'User[]', "'a' | 'b'", 'integer | null'. */
export function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return nameOf(schema.$ref);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) {
    const shown = schema.enum.slice(0, MAX_VALUES).map(value => JSON.stringify(value));
    return [...shown, ...(schema.enum.length > MAX_VALUES ? ['…'] : [])].join(' | ');
  }
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return [...new Set(several.map(typeOf))].join(' | ');
  if (schema.items) return /[ |]/.test(typeOf(schema.items)) ? `(${typeOf(schema.items)})[]` : `${typeOf(schema.items)}[]`;
  if (typeof schema.additionalProperties === 'object' && !schema.properties) return `{ …: ${typeOf(schema.additionalProperties)} }`;
  return schema.type === undefined ? 'any' : [schema.type].flat().join(' | ');
}

/** The fields of an object, each with its type and what it means; types with a name open. */
export function Fields({ schema, shared }: { readonly schema: Schema; readonly shared: Shared }) {
  const { t } = useSpeech();
  const whole = schema.$ref === undefined ? schema : (shared[nameOf(schema.$ref)] ?? {});
  const fields = Object.entries(whole.properties ?? {});
  if (fields.length === 0) return <code className={classes.type}>{typeOf(whole)}</code>;
  return (
    <ul className={classes.fields}>
      {fields.map(([name, field]) => (
        <li key={name}>
          <code className={classes.name}>{name}</code> <code className={classes.type}>{typeOf(field)}</code>{' '}
          {whole.required?.includes(name) && <Tag>{t('api.required')}</Tag>}
          {field.description && <p>{field.description}</p>}
          {named(field).map(ref => (
            <Named key={ref} name={nameOf(ref)} shared={shared} />
          ))}
        </li>
      ))}
    </ul>
  );
}

/** A schema with a name, whose fields are shown once it is opened. */
export function Named({ name, shared }: { readonly name: string; readonly shared: Shared }) {
  const [open, setOpen] = useState(false);
  return (
    <details className={classes.named} onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        <code>{name}</code>
      </summary>
      {open && <Fields schema={shared[name] ?? {}} shared={shared} />}
    </details>
  );
}

/** What a reference is called. */
export function nameOf(ref: string): string {
  return ref.slice(ref.lastIndexOf('/') + 1);
}

function named(schema: Schema): readonly string[] {
  if (schema.$ref !== undefined) return [schema.$ref];
  const inner = [schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  if (typeof schema.additionalProperties === 'object') inner.push(schema.additionalProperties);
  return [...new Set(inner.flatMap(one => (one ? named(one) : [])))];
}
