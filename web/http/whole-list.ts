import { z } from '#core/api.js';
import { listQuery, orderOf } from './route.js';

/** What a list is ordered by. */
type Sortable = string | number | null | undefined;

/** What is asked of a list that the hub has whole. */
export interface ListAsked<O extends string> {
  readonly limit?: number | undefined;
  readonly offset: number;
  readonly sort?: O | `-${O}` | undefined;
  readonly search?: string | undefined;
}

/** A list that the hub has whole: what may be asked of it, and what of it is the answer. */
export interface WholeList<T, O extends string> {
  /** For the schema of the query. */
  readonly query: {
    readonly limit: z.ZodOptional<z.ZodCoercedNumber>;
    readonly offset: z.ZodDefault<z.ZodCoercedNumber>;
    readonly sort: z.ZodOptional<z.ZodType<O | `-${O}`, O | `-${O}`>>;
    readonly search: z.ZodOptional<z.ZodString>;
  };
  /** Those that match, in the order that is asked for, or as they come: `limit` of them from `offset` on, all of them without a limit. `total` counts those that match. */
  page<I extends T>(all: readonly I[], asked: ListAsked<O>): { readonly items: readonly I[]; readonly total: number };
}

/** Declares a list that is short enough to come whole: the texts in which `search` looks, and what it can be ordered by. */
export function wholeList<T, const O extends string>(
  searched: (item: T) => readonly Sortable[],
  orders: Readonly<Record<O, (item: T) => Sortable>>,
): WholeList<T, O> {
  const names = Object.keys(orders) as [O, ...O[]];
  const { limit, ...rest } = listQuery(names);
  const query = { ...rest, limit: limit.unwrap().optional().describe('All of them unless told') };
  return {
    query: query as unknown as WholeList<T, O>['query'],
    page(all, { limit, offset, sort, search = '' }) {
      const wanted = folded(search);
      const found = all.filter(item => searched(item).some(text => folded(text).includes(wanted)));
      const { order, descending } = orderOf<O>(sort, names[0]);
      const sorted = sort === undefined ? found : found.sort((one, other) => compare(orders[order](one), orders[order](other), descending));
      return { items: sorted.slice(offset, limit === undefined ? undefined : offset + limit), total: found.length };
    },
  };
}

/** What is not there comes last, whichever way. */
function compare(one: Sortable, other: Sortable, descending: boolean): number {
  if (one == null || other == null) return Number(one == null) - Number(other == null);
  const [a, b] = typeof one === 'number' && typeof other === 'number' ? [one, other] : [folded(one), folded(other)];
  const ascending = a < b ? -1 : a > b ? 1 : 0;
  return descending ? -ascending : ascending;
}

function folded(text: Sortable): string {
  return String(text ?? '')
    .normalize('NFKC')
    .toLowerCase();
}
