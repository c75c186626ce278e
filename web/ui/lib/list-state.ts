import { useMemo } from 'react';
import { useSearchParams } from 'wouter';

const OWN = ['search', 'sort', 'offset'];

/** What a list shows, as its address says: so that a link, a reload and the back button show the same. */
export interface ListState {
  readonly search: string;
  readonly sort: string;
  readonly offset: number;
  readonly limit: number;
  readonly filters: Readonly<Record<string, string>>;
  /** Whether anything narrows the list. */
  readonly narrowed: boolean;
  /** What the API is asked with. */
  readonly query: Readonly<Record<string, string | number>>;
  /** Sets parameters, and goes back to the first page; an empty text takes one away. */
  readonly set: (changes: Readonly<Record<string, string>>) => void;
  readonly turn: (pages: number) => void;
  readonly clear: () => void;
}

/** The state of the one list of a page. `names` are its filters. */
export function useListState(sort: string, names: readonly string[] = [], limit = 50): ListState {
  const [parameters, setParameters] = useSearchParams();
  const key = parameters.toString();
  const named = names.join();
  return useMemo(() => {
    const own = named === '' ? [] : named.split(',');
    const current = new URLSearchParams(key);
    const filters = Object.fromEntries(own.map(name => [name, current.get(name) ?? ''] as const).filter(([, value]) => value !== ''));
    const search = current.get('search') ?? '';
    const offset = Math.max(0, Number(current.get('offset') ?? 0) || 0);
    const sorted = current.get('sort') ?? sort;
    const change = (changes: Readonly<Record<string, string>>, replace: boolean) => {
      const next = new URLSearchParams(key);
      for (const [name, value] of Object.entries(changes)) {
        if (value === '') next.delete(name);
        else next.set(name, value);
      }
      setParameters(next, { replace });
    };
    return {
      search,
      sort: sorted,
      offset,
      limit,
      filters,
      narrowed: search !== '' || Object.keys(filters).length > 0,
      query: { limit, offset, sort: sorted, search, ...filters },
      set: changes => change({ offset: '', ...changes }, true),
      turn: pages => change({ offset: String(Math.max(0, offset + pages * limit) || '') }, false),
      clear: () => change(Object.fromEntries([...OWN, ...own].map(name => [name, ''])), true),
    };
  }, [key, sort, limit, named, setParameters]);
}
