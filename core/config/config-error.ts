import type { ZodType, z } from 'zod';
import { HubError } from '../errors.js';
import { didYouMean } from './nearest.js';
import { schemaAt, shapeOf } from './shape.js';

/** A configuration that cannot be used. Each problem is one line that names its file or variable, the option, and what was expected. */
export class ConfigError extends HubError {
  constructor(readonly problems: readonly string[]) {
    super('invalid-request', problems.join('\n'));
  }
}

/** What describeIssues() must know about the section it tells of. */
export interface IssueContext {
  readonly path: readonly string[];
  readonly schema: ZodType;
  readonly raw: unknown;
  /** The file or variable that set an option of the section. */
  readonly originOf: (names: readonly string[]) => string;
  /** Names beside those of the schema that a typing error may have meant. */
  readonly alsoKnown: readonly string[];
}

/** One line for each problem: `file.yaml: protocols.sftp.port: expected a number between 0 and 65535, got "abc"`. Values of secrets stay out. */
export function describeIssues(issues: readonly z.core.$ZodIssue[], context: IssueContext): readonly string[] {
  return [...new Set(issues.flatMap(issue => describe(issue, context)))];
}

function describe(issue: z.core.$ZodIssue, { path, schema, raw, originOf, alsoKnown }: IssueContext): readonly string[] {
  const names = issue.path.map(String);
  const line = (at: readonly string[], text: string) => {
    const place = [...path, ...at].join('.');
    return `${originOf(at)}: ${place === '' ? '' : `${place}: `}${text}`;
  };
  const target = schemaAt(schema, names);
  if (issue.code === 'unrecognized_keys') {
    const known = [...(target ? Object.keys(shapeOf(target).children) : []), ...(names.length ? [] : alsoKnown)];
    return issue.keys.map(key => line([...names, key], `no such option${didYouMean(key, known)}`));
  }
  const value = names.reduce<unknown>((tree, name) => (tree as Record<string, unknown> | undefined)?.[name], raw);
  const shape = target && shapeOf(target);
  const expected =
    issue.message.startsWith('expected ') || !shape || shape.kind === 'object' ? sentence(issue.message) : wanted(issue, shape.expected);
  const got = shape?.secret ? '' : `, got ${value === undefined ? 'nothing' : brief(value)}`;
  return [line(names, `${expected}${got}`)];
}

/** The schema's own words where they say more than its type does. */
function wanted(issue: z.core.$ZodIssue, expected: string): string {
  return issue.code === 'custom' || issue.code === 'invalid_format' ? sentence(issue.message) : `expected ${expected}`;
}

function sentence(message: string): string {
  return message.replace(/^Invalid input: /, '');
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
