import { isIdle } from './activity.js';
import { at } from './base.js';
import { Problem, problemOf } from './problem.js';

/** What a request may carry besides its path. */
export interface RequestOptions {
  readonly query?: object | undefined;
  readonly body?: unknown;
  /** The version that a change is meant for: sent as If-Match. */
  readonly etag?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An answer's body, and the version that it is. */
export interface Answer<T> {
  readonly data: T;
  readonly etag: string | undefined;
}

const signedOut = new Set<() => void>();

/** Calls `listener` whenever the hub no longer knows the session. Returns what ends that. */
export function onSignedOut(listener: () => void): () => void {
  signedOut.add(listener);
  return () => signedOut.delete(listener);
}

/** The address of an API route with its query; what is undefined, empty or false is left out. */
export function apiUrl(path: string, query: object = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== '' && one !== false) parameters.append(name, String(one));
    }
  }
  const text = parameters.toString();
  return at(`/api/v1${path}${text ? `?${text}` : ''}`);
}

/** Asks the hub. Throws a Problem for every answer that is not a success. */
export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
  const response = await fetch(apiUrl(path, options.query), {
    method,
    credentials: 'same-origin',
    headers: {
      accept: 'application/json',
      // Otherwise a page that is left open, and follows what happens, would never be logged out.
      ...(isIdle() && { 'x-entrepot-idle': '1' }),
      ...(options.body !== undefined && { 'content-type': 'application/json' }),
      ...(options.etag !== undefined && { 'if-match': options.etag }),
    },
    ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
    ...(options.signal && { signal: options.signal }),
  }).catch((error: unknown) => {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, 'unreachable', 'The hub does not answer');
  });
  if (response.status === 401 && path !== '/session') for (const listener of signedOut) listener();
  if (!response.ok) throw await problemOf(response);
  const text = response.status === 204 ? '' : await response.text();
  return { data: (text === '' ? undefined : JSON.parse(text)) as T, etag: response.headers.get('etag') ?? undefined };
}

/** A path segment of a name that somebody chose. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}
