import type { z } from '#core/api.js';
import { tellIssue } from '#core/operations/operation.js';
import { type FieldProblem, InvalidInput } from './problem.js';

/** Where input comes from, as pointers to its fields begin. */
export type Source = '/' | '?' | ':';

/** The only way a schema reaches hapi, which would take zod's own `validate` for Joi's and let everything in. */
export function validator<T>(schema: z.ZodType<T>, source: Source): (value: unknown) => Promise<T> {
  return async value => {
    const result = await schema.safeParseAsync(value ?? (source === '/' ? undefined : {}));
    if (result.success) return result.data;
    throw new InvalidInput(result.error.issues.flatMap(issue => problemsOf(issue, source)));
  };
}

function problemsOf(issue: z.core.$ZodIssue, source: Source): readonly FieldProblem[] {
  const keys = issue.code === 'unrecognized_keys' ? issue.keys.map(key => [...issue.path, key]) : [issue.path];
  const detail = issue.code === 'unrecognized_keys' ? 'there is no such field' : tellIssue(issue);
  return keys.map(path => ({ pointer: pointerOf(path, source), detail }));
}

function pointerOf(path: readonly PropertyKey[], source: Source): string {
  const segments = path.map(segment => String(segment).replaceAll('~', '~0').replaceAll('/', '~1'));
  if (segments.length === 0) return '';
  return source === '/' ? `/${segments.join('/')}` : `${source}${segments.join('/')}`;
}
