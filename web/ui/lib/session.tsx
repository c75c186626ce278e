import type { WhoAmI as Identity } from '../api-types.js';

export type { WhoAmI as Identity } from '../api-types.js';

import { type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useMemo } from 'react';
import { Problem } from './problem.js';
import { onSignedOut, request } from './request.js';

/** For which pages one logs in: those of administrators, or one's own files. */
export type Scope = 'admin' | 'user';

/** What a login asks for. `code` is the one-time code or a recovery code. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  readonly code?: string;
}

interface SessionState {
  /** Undefined until the hub has answered; null when nobody is logged in here. */
  readonly identity: Identity | null | undefined;
  readonly error: unknown;
  readonly logIn: (credentials: Credentials) => Promise<void>;
  readonly logOut: () => Promise<void>;
  readonly refresh: () => void;
}

const KEY = ['session'];
/** Remembers that somebody logged in here, so that who did not is asked nothing that would be refused. */
const HINT = 'entrepot.session';
const SessionContext = createContext<SessionState | undefined>(undefined);

/** Knows who is logged in for `scope`, and hears when that ends. */
export function SessionProvider({ scope, children }: { readonly scope: Scope; readonly children: ReactNode }) {
  const queries = useQueryClient();
  const query = useQuery({ queryKey: KEY, queryFn: () => current(scope), staleTime: Number.POSITIVE_INFINITY });
  useEffect(() => onSignedOut(() => end(queries)), [queries]);
  const state = useMemo<SessionState>(
    () => ({
      identity: query.data,
      error: query.error,
      logIn: async credentials => {
        const { data } = await request<Identity>('POST', '/session', { body: { ...credentials, scope } });
        forgetOthers(queries);
        remember(scope);
        queries.setQueryData(KEY, data);
      },
      logOut: async () => {
        await request('DELETE', '/session');
        forgetOthers(queries);
        end(queries);
      },
      refresh: () => void query.refetch(),
    }),
    [query, queries, scope],
  );
  return <SessionContext.Provider value={state}>{children}</SessionContext.Provider>;
}

/** Who is logged in, and the ways in and out. */
export function useSession(): SessionState {
  const state = useContext(SessionContext);
  if (!state) throw new Error('useSession() outside of SessionProvider');
  return state;
}

/** Who is logged in; only below a Gate, where somebody is. */
export function useIdentity(): Identity {
  const { identity } = useSession();
  if (!identity) throw new Error('useIdentity() where nobody is logged in');
  return identity;
}

/** Notes that somebody is logged in in this browser. */
export function remember(scope: Scope): void {
  store(scope);
}

/** What one account was shown is not another's; the query of the session itself stays, since pages wait for its answer. */
function forgetOthers(queries: QueryClient): void {
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== KEY[0] });
}

function end(queries: QueryClient): void {
  store(undefined);
  queries.setQueryData(KEY, null);
}

function store(scope: Scope | undefined): void {
  try {
    if (scope === undefined) localStorage.removeItem(HINT);
    else localStorage.setItem(HINT, scope);
  } catch {
    // Without it, the next page asks.
  }
}

/** The hub sends a browser back with '#signed-in' from a login elsewhere. */
function mayBeLoggedIn(): boolean {
  try {
    return location.hash === '#signed-in' || localStorage.getItem(HINT) !== null;
  } catch {
    return true;
  }
}

async function current(scope: Scope): Promise<Identity | null> {
  if (!mayBeLoggedIn()) return null;
  try {
    const { data } = await request<Identity>('GET', '/session');
    store(data.kind);
    return data.kind === scope ? data : null;
  } catch (error) {
    if (error instanceof Problem && error.status === 401) {
      store(undefined);
      return null;
    }
    throw error;
  }
}
