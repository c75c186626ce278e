import { STATUS_CODES } from 'node:http';
import type { Request, ResponseToolkit } from '@hapi/hapi';
import { type ErrorCode, HubError, type Logger, uuidv7, z } from '#core/api.js';
import { StaleVersion } from '#core/errors.js';

import { RateExceeded, withRate } from './rates.js';

/** The status of each way to fail. */
export const STATUS = {
  'invalid-request': 400,
  'authentication-failed': 401,
  'second-factor-required': 401,
  'permission-denied': 403,
  'not-found': 404,
  'already-exists': 409,
  'not-a-directory': 409,
  'is-a-directory': 409,
  'directory-not-empty': 409,
  'quota-exceeded': 507,
  'too-large': 413,
  locked: 423,
  conflict: 409,
  unsupported: 501,
  'rate-limited': 429,
  'too-many-sessions': 429,
  unavailable: 503,
  aborted: 400,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** What Boom errors of hapi itself mean. */
const CODE_OF: Readonly<Record<number, ErrorCode>> = {
  401: 'authentication-failed',
  403: 'permission-denied',
  404: 'not-found',
  408: 'aborted',
  409: 'conflict',
  412: 'conflict',
  413: 'too-large',
  429: 'rate-limited',
  503: 'unavailable',
};

/** One thing that is wrong with the input. */
export interface FieldProblem {
  /** JSON pointer (RFC 6901) into the body; of a query, '?name'. */
  readonly pointer: string;
  readonly detail: string;
}

/** The input is not what its schema says: 'invalid-request' with each field. */
export class InvalidInput extends HubError {
  constructor(readonly problems: readonly FieldProblem[]) {
    super('invalid-request', problems.map(({ pointer, detail }) => (pointer ? `${pointer}: ${detail}` : detail)).join('; '));
  }
}

/** RFC 9457, as every failure is answered. */
export const problemSchema = z
  .object({
    type: z.string().describe("'urn:entrepot:error:<code>'"),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('One sentence for people'),
    code: z.string().describe('For programs: closed set'),
    instance: z.string().describe('The id of the request, as the log has it'),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .meta({ id: 'Problem' });
/** One answer to a failure. */
export type Problem = z.output<typeof problemSchema>;

/** Makes problem+json of everything that failed: for hapi's onPreResponse. */
export function answerProblem(request: Request, h: ResponseToolkit, log: Logger) {
  const { response } = request;
  if (!('isBoom' in response)) return h.continue;
  const thrown: unknown = response;
  const failure = thrown instanceof HubError ? thrown : fromBoom(response.output.statusCode, response.message, response);
  const status = statusOf(failure, request, response.output.statusCode);
  const instance = uuidv7();
  if (status >= 500 && failure.code !== 'unsupported')
    log.error({ err: failure.cause ?? failure, method: request.method, path: request.path, request: instance }, failure.message);
  const body: Problem = {
    type: `urn:entrepot:error:${failure.code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: failure.message,
    code: failure.code,
    instance,
    ...errorsOf(failure),
  };
  const answer = h.response(body).code(status).type('application/problem+json');
  for (const [name, value] of Object.entries(response.output.headers)) if (value !== undefined) answer.header(name, String(value));
  if (failure instanceof RateExceeded) withRate(answer, failure.rate).header('retry-after', String(failure.rate.resetSeconds));
  else if (status === 429) answer.header('retry-after', '30');
  return answer.header('cache-control', 'no-store');
}

function fromBoom(status: number, message: string, cause: unknown): HubError {
  if (status >= 500 && status !== 503) return new HubError('internal', 'Internal error', { cause });
  return new HubError(CODE_OF[status] ?? 'invalid-request', message, { cause });
}

/** What was not changed because of If-Match is 412; hapi's own statuses stay. */
function statusOf(failure: HubError, request: Request, boom: number): number {
  if (failure instanceof StaleVersion && request.headers['if-match'] !== undefined) return 412;
  const fromHapi = failure.cause instanceof Error && 'isBoom' in failure.cause;
  return fromHapi ? boom : STATUS[failure.code];
}

function errorsOf(failure: HubError): Pick<Problem, 'errors'> {
  if (failure instanceof InvalidInput) return { errors: [...failure.problems] };
  if (failure.field === undefined) return {};
  return { errors: [{ pointer: `/${failure.field.split('.').map(escaped).join('/')}`, detail: failure.message }] };
}

function escaped(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1');
}
