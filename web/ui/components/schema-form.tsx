import { NumberInput, PasswordInput, Select, Switch, TextInput } from '@mantine/core';
import { useSpeech } from '../lib/texts.js';

/** What of JSON Schema a form is drawn from. */
export interface OptionSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly secret?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** The options of a kind of something. */
export interface ObjectSchema {
  readonly properties?: Readonly<Record<string, OptionSchema>>;
  readonly required?: readonly string[];
}

/** A field for each option of a schema: what must be given first. Values are texts until they are sent. */
export function SchemaFields({
  schema,
  values,
  errors,
  change,
}: {
  readonly schema: ObjectSchema;
  readonly values: Readonly<Record<string, unknown>>;
  readonly errors: Readonly<Record<string, React.ReactNode>>;
  readonly change: (name: string, value: unknown) => void;
}) {
  const required = new Set(schema.required ?? []);
  const names = Object.keys(schema.properties ?? {}).sort((one, other) => Number(required.has(other)) - Number(required.has(one)));
  return names.map(name => (
    <Field
      key={name}
      name={name}
      schema={schema.properties![name]!}
      required={required.has(name)}
      value={values[name]}
      error={errors[name]}
      change={value => change(name, value)}
    />
  ));
}

function Field({
  name,
  schema,
  required,
  value,
  error,
  change,
}: {
  readonly name: string;
  readonly schema: OptionSchema;
  readonly required: boolean;
  readonly value: unknown;
  readonly error: React.ReactNode;
  readonly change: (value: unknown) => void;
}) {
  const { t } = useSpeech();
  const label = labelOf(name);
  const shared = { label, description: schema.description, error, withAsterisk: required };
  const text = typeof value === 'string' ? value : '';
  if (schema.type === 'boolean') {
    const checked = typeof value === 'boolean' ? value : schema.default === true;
    return (
      <Switch label={label} description={schema.description} checked={checked} onChange={event => change(event.currentTarget.checked)} />
    );
  }
  if (schema.enum) {
    return (
      <Select {...shared} data={[...schema.enum]} value={text || String(schema.default ?? '')} onChange={change} allowDeselect={false} />
    );
  }
  if (schema.type === 'integer' || schema.type === 'number') {
    const limits = {
      ...(schema.minimum !== undefined && { min: schema.minimum }),
      ...(schema.maximum !== undefined && { max: schema.maximum }),
    };
    return (
      <NumberInput
        {...shared}
        {...limits}
        value={typeof value === 'number' ? value : ''}
        placeholder={placeholderOf(schema)}
        onChange={change}
        allowDecimal={schema.type === 'number'}
      />
    );
  }
  if (schema.secret) {
    return (
      <PasswordInput
        {...shared}
        autoComplete="new-password"
        value={text}
        onChange={event => change(event.currentTarget.value)}
        visibilityToggleButtonProps={{ 'aria-label': t('field.showPassword') }}
      />
    );
  }
  return (
    <TextInput
      {...shared}
      value={text}
      placeholder={placeholderOf(schema)}
      onChange={event => change(event.currentTarget.value)}
      spellCheck={false}
    />
  );
}

function placeholderOf({ default: value }: OptionSchema): string {
  return value === undefined || typeof value === 'object' ? '' : String(value);
}

/** 'hostKey' as 'Host key'. */
function labelOf(name: string): string {
  const words = name.replace(/([A-Z])/g, ' $1').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
