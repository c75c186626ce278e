import { type InfiniteData, keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';
import { request } from './request.js';
import type { ListOf } from './resources.js';

/** Rows of the newest page, which is asked for again with each change. */
const NEWEST_ROWS = 50;
/** Rows of each page below it. */
const PAGE_ROWS = 200;
/** A list that is looked at from the top lets go of what is below so many rows. */
const KEPT_ROWS = 500;
const KEPT_MS = 1_800_000;

interface CursorPage<T> extends ListOf<T> {
  readonly next?: string;
}

/** Records, newest first, as far down as they were read, and how many came above since. */
export interface Endless<T> {
  /** Undefined until there is an answer. Neither has a record twice nor leaves one out. */
  readonly rows: readonly T[] | undefined;
  readonly total: number;
  /** False when there are more than `total`. */
  readonly exact: boolean;
  /** Whether there are rows below the last. */
  readonly more: boolean;
  /** Gets the rows below the last, unless they are on their way. */
  readonly getMore: () => void;
  /** How many of the newest are not among the rows. */
  readonly fresh: number;
  /** False when there are more than `fresh`. */
  readonly freshExact: boolean;
  /** Puts the newest on top of the rows. */
  readonly showFresh: () => void;
  readonly error: unknown;
  readonly isFetching: boolean;
  readonly refetch: () => void;
  /** Names the list and what narrows it. */
  readonly key: string;
}

/**
 * A list that is read from the newest record downwards, page after page, each from where the one above ended: what
 * arrives meanwhile moves nothing. `path` is a collection that live changes name; `query` names what narrows the list, and
 * `asked` gives the parameters of a request for it.
 */
export function useEndless<T extends { readonly id: string }>(path: string, query: object, asked: () => object): Endless<T> {
  const queries = useQueryClient();
  const get = async (cursor: string, limit: number, signal: AbortSignal) =>
    (await request<CursorPage<T>>('GET', path, { query: { ...asked(), cursor, limit }, signal })).data;
  const queryKey = ['endless', path, query];
  const read = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) => get(pageParam, pageParam === '' ? NEWEST_ROWS : PAGE_ROWS, signal),
    initialPageParam: '',
    getNextPageParam: page => page.next,
    placeholderData: keepPreviousData,
    staleTime: 'static',
    gcTime: KEPT_MS,
    // To compare all rows with all for each page more would take longer than to show them.
    structuralSharing: false,
  });
  const isRead = read.data !== undefined && !read.isPlaceholderData;
  const newest = useQuery({
    queryKey: [path, 'newest', query],
    queryFn: ({ signal }) => get('', NEWEST_ROWS, signal),
    enabled: isRead,
    staleTime: 0,
  }).data;
  const rows = useMemo(() => read.data?.pages.flatMap(page => page.items), [read.data]);
  const known = useMemo(() => new Set(rows?.slice(0, 2 * KEPT_ROWS).map(({ id }) => id)), [rows]);
  const above = isRead && newest ? newest.items.filter(({ id }) => !known.has(id)) : [];
  const showFresh = () => {
    if (!newest || !rows) return;
    const isApart = above.length === newest.items.length;
    const top = [...above, ...rows.slice(0, read.data!.pages[0]!.items.length)].sort((one, other) => (one.id < other.id ? 1 : -1));
    queries.setQueryData<InfiniteData<CursorPage<T>, string>>(queryKey, data =>
      !data || isApart || top.length > KEPT_ROWS
        ? { pages: [newest], pageParams: [''] }
        : { ...data, pages: [{ ...data.pages[0]!, items: top }, ...data.pages.slice(1)] },
    );
  };
  return {
    rows,
    total: newest?.total ?? read.data?.pages[0]?.total ?? 0,
    exact: (newest ?? read.data?.pages[0])?.exact !== false,
    more: read.hasNextPage,
    getMore: () => {
      if (!read.isFetchingNextPage) void read.fetchNextPage();
    },
    fresh: above.length,
    freshExact: above.length < NEWEST_ROWS,
    showFresh,
    error: read.error,
    isFetching: read.isFetching,
    refetch: () => void read.refetch(),
    key: JSON.stringify(queryKey),
  };
}
