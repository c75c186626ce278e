/** What conditions of rules look at, of an event's data or of a request to a guard. */
export interface Facts {
  readonly user: string | undefined;
  readonly path: string | undefined;
  /** The second path, of what has two: a rename, a copy. */
  readonly target: string | undefined;
}

/** Reads user and paths where the data has them. */
export function factsOf(data: object): Facts {
  const { session, user, path, target } = data as Readonly<Record<string, unknown>>;
  const owner = typeof session === 'object' && session !== null ? (session as { user?: unknown }).user : user;
  return { user: text(owner), path: text(path), target: text(target) };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
