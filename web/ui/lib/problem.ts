/** A field that the hub refused, and why. */
export interface FieldProblem {
  /** JSON pointer into what was sent: '/permissions/~1'. */
  readonly pointer: string;
  readonly detail: string;
}

/** An answer that says what went wrong: RFC 9457, or its like for a hub that cannot be reached. */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0 when there was no answer. */
    readonly status: number,
    /** What kind of failure it is: 'not-found', 'conflict', 'unreachable'. */
    readonly code: string,
    readonly detail: string,
    readonly errors: readonly FieldProblem[] = [],
    /** Seconds after which it is worth trying again, when the hub said so. */
    readonly retryAfter?: number,
  ) {
    super(detail);
    this.name = 'Problem';
  }
}

/** Reads an answer that is not a success. */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => '');
  const body = parse(text);
  const retryAfter = Number(response.headers.get('retry-after'));
  return new Problem(
    response.status,
    typeof body.code === 'string' ? body.code : `http-${response.status}`,
    String(body.detail ?? body.title ?? response.statusText),
    Array.isArray(body.errors) ? (body.errors as FieldProblem[]) : [],
    ...(retryAfter > 0 ? [retryAfter] : []),
  );
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Whatever was thrown, as a problem. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, 'unexpected', error instanceof Error ? error.message : String(error));
}
