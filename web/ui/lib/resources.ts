import { keepPreviousData, type UseQueryResult, useQuery } from '@tanstack/react-query';
import type { ListState } from './list-state.js';
import { type Answer, request } from './request.js';

/** A page of a list, as the API gives it. */
export interface ListOf<T> {
  readonly items: readonly T[];
  readonly total: number;
  /** False when there are more than `total`: beyond a number nobody counts. */
  readonly exact?: boolean;
}

/** A list as its address says. Shows the page before until the next is there. */
export function useList<T>(path: string, list?: ListState, query: object = {}): UseQueryResult<ListOf<T>> {
  const wanted = { ...list?.query, ...query };
  return useQuery({
    queryKey: [path, 'list', wanted],
    queryFn: async ({ signal }) => (await request<ListOf<T>>('GET', path, { query: wanted, signal })).data,
    placeholderData: keepPreviousData,
  });
}

/** One thing, whatever it is. `path` begins with its collection, which live changes name. */
export function useThing<T>(path: string, query: object = {}, options: { readonly enabled?: boolean } = {}): UseQueryResult<T> {
  return useQuery({
    queryKey: [`/${path.split('/')[1]}`, path, query],
    queryFn: async ({ signal }) => (await request<T>('GET', path, { query, signal })).data,
    ...options,
  });
}

/** One record with its version, for forms that change it. */
export function useVersioned<T>(path: string): UseQueryResult<Answer<T>> {
  return useQuery({
    queryKey: [`/${path.split('/')[1]}`, path, 'versioned'],
    queryFn: ({ signal }) => request<T>('GET', path, { signal }),
  });
}
