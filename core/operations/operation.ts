import type { ZodType, z } from 'zod';
import { HubError } from '../errors.js';
import type { OperationServices } from './services.js';

/** One thing an administrator can do, whoever asks: the command line, the control socket or the web API. */
export interface Operation<Schema extends ZodType, Output> {
  readonly input: Schema;
  /** Does it. Throws HubError with a sentence for the administrator. What it gives is plain data, without secrets except those made by it. */
  run(services: OperationServices, input: z.output<Schema>): Promise<Output>;
}

/** Types an operation; returns it unchanged. */
export function operation<Schema extends ZodType, Output>(
  input: Schema,
  run: (services: OperationServices, input: z.output<Schema>) => Promise<Output>,
): Operation<Schema, Output> {
  return { input, run };
}

/** `input` as `schema` leaves it. Throws 'invalid-request' that lists every problem. */
export function checkInput<T>(schema: ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.map(issue =>
    issue.path.length ? `${issue.path.join('.')}: ${tellIssue(issue)}` : tellIssue(issue),
  );
  throw new HubError('invalid-request', problems.join('; '));
}

/** What is wrong, in the schema's own words where it has some, else in ours. */
export function tellIssue(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${issue.expected === 'array' ? 'a list' : `a ${issue.expected}`}`;
    case 'invalid_value':
      return `expected ${issue.values.map(value => `'${String(value)}'`).join(' or ')}`;
    case 'unrecognized_keys':
      return `there is no ${issue.keys.map(key => `'${key}'`).join(', ')}`;
    case 'too_big':
      return `expected at most ${issue.maximum}${UNITS[issue.origin] ?? ''}`;
    case 'too_small':
      return issue.message.startsWith('Too small') ? `expected at least ${issue.minimum}${UNITS[issue.origin] ?? ''}` : issue.message;
    default:
      return issue.message;
  }
}

const UNITS: Readonly<Record<string, string>> = { string: ' characters', array: ' entries' };
