import { Button } from '@mantine/core';
import { IconArrowUp } from '@tabler/icons-react';
import { useWindowVirtualizer, type VirtualItem } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import { isReturning, type Origin } from '../lib/arrival.js';
import type { Endless } from '../lib/endless.js';
import { useSpeech } from '../lib/texts.js';
import classes from './endless-table.module.css';
import { Pending, ProblemPanel } from './states.js';
import { type Column, ListFrame, type TableProps } from './table.js';
import tableClasses from './table.module.css';

const ROW_PX = 37;
const CARD_PX = 190;
const CARDS = '(max-width: 46rem)';
/** So many rows before the last, the next are asked for. */
const AHEAD = 100;
/** Whoever is nearer to the top of the page than that looks at what is new. */
const TOP_PX = 80;

/** Where a reader left a list. */
interface Place {
  readonly offset: number;
  readonly sizes: VirtualItem[];
}

const places = new Map<string, Place>();

/** What an endless table shows, and how its reader may narrow it. */
export interface EndlessTableProps<T> extends Omit<TableProps<T>, 'query' | 'href' | 'list' | 'selection'> {
  readonly list: NonNullable<TableProps<T>['list']>;
  readonly rows: Endless<T>;
  readonly rowKey: (row: T) => string;
  readonly href: (row: T) => string;
  /** The path of the page, as the pages of single records go back to it. */
  readonly path: string;
}

/**
 * A list that goes on while it is scrolled, as far as there is anything; the document holds the rows that are seen and few
 * more. What arrives appears at the top; whoever reads further down is told of it and stays where he is. Who comes back
 * finds the place that he left.
 */
export function EndlessTable<T>(props: EndlessTableProps<T>) {
  const { rows } = props;
  const { error, isFetching, refetch, total } = rows;
  const data = rows.rows && { items: rows.rows, total: rows.rows.length === 0 ? 0 : total };
  const isEmpty = rows.rows?.length === 0;
  useEffect(() => {
    if (isEmpty && rows.fresh > 0) rows.showFresh();
  });
  return (
    <ListFrame {...props} query={{ data, error, isFetching, refetch }}>
      {/* Another list has other rows, and other places. */}
      {data && <Rows key={rows.key} {...props} items={data.items} />}
    </ListFrame>
  );
}

function Rows<T>({ label, columns, items, rows, rowKey, href, path }: EndlessTableProps<T> & { readonly items: readonly T[] }) {
  const { t, format } = useSpeech();
  const [place] = useState(() => (isReturning() ? places.get(rows.key) : undefined));
  const body = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  const itemKey = useCallback((index: number) => rowKey(items[index]!), [items, rowKey]);
  const virtual = useWindowVirtualizer({
    count: items.length,
    estimateSize: () => (matchMedia(CARDS).matches ? CARD_PX : ROW_PX),
    getItemKey: itemKey,
    overscan: 15,
    scrollMargin: margin,
    initialOffset: place?.offset ?? 0,
    ...(place && { initialMeasurementsCache: place.sizes }),
  });
  useLayoutEffect(() => {
    const top = body.current!.getBoundingClientRect().top + window.scrollY;
    if (Math.abs(top - margin) >= 1) setMargin(top);
  });
  useLayoutEffect(() => {
    if (place) window.scrollTo(0, place.offset);
    return () => {
      places.set(rows.key, { offset: virtual.scrollOffset ?? 0, sizes: virtual.takeSnapshot() });
    };
  }, [place, rows.key, virtual]);
  useEffect(() => {
    addEventListener('keydown', leap);
    return () => removeEventListener('keydown', leap);
  }, []);
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1);
  const isNearEnd = last !== undefined && last.index >= items.length - AHEAD;
  useEffect(() => {
    if (isNearEnd && rows.more && !rows.error) rows.getMore();
  });
  const isAtTop = (virtual.scrollOffset ?? 0) < TOP_PX;
  useEffect(() => {
    if (isAtTop && rows.fresh > 0) rows.showFresh();
  });
  const toTop = () => {
    rows.showFresh();
    window.scrollTo(0, 0);
    document.getElementById('content')?.focus({ preventScroll: true });
  };
  const count = rows.more && !rows.exact ? -1 : Math.max(rows.total, items.length) + 1;
  return (
    <>
      <div className={classes.news} role="status">
        {!isAtTop && rows.fresh > 0 && (
          <Button size="xs" radius="xl" leftSection={<IconArrowUp size={14} aria-hidden />} onClick={toTop}>
            {t(rows.freshExact ? 'table.fresh' : 'table.freshMany', { count: rows.fresh })}
          </Button>
        )}
      </div>
      <div
        ref={body}
        style={{
          paddingTop: (shown[0]?.start ?? margin) - margin,
          paddingBottom: virtual.getTotalSize() - ((last?.end ?? margin) - margin),
        }}
      >
        <table className={`${tableClasses.table} ${classes.table}`} aria-label={label} aria-rowcount={count} onKeyDown={stepByArrows}>
          <Head columns={columns} />
          <tbody>
            {shown.map(({ index, key }) => (
              <tr key={String(key)} ref={virtual.measureElement} data-index={index} aria-rowindex={index + 2} data-link>
                {columns.map((column, position) => (
                  <td key={column.key} data-label={column.header} data-align={column.align} data-first={position === 0 || undefined}>
                    {position === 0 ? (
                      <Link href={href(items[index]!)} state={{ list: path } satisfies Origin} className={tableClasses.link!}>
                        {column.render(items[index]!)}
                      </Link>
                    ) : (
                      column.render(items[index]!)
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <End>
        {rows.error ? (
          <ProblemPanel title={t('problem.loading')} error={rows.error} retry={rows.getMore} />
        ) : rows.more ? (
          isNearEnd && rows.isFetching && <Pending lines={3} />
        ) : (
          <span className="number">{t('table.all', { count: format.number(items.length) })}</span>
        )}
      </End>
    </>
  );
}

function Head<T>({ columns }: { readonly columns: readonly Column<T>[] }) {
  return (
    <thead>
      <tr aria-rowindex={1}>
        {columns.map(column => (
          <th key={column.key} scope="col" style={column.width ? { width: column.width } : undefined} data-align={column.align}>
            {column.header}
          </th>
        ))}
      </tr>
    </thead>
  );
}

function End({ children }: { readonly children: ReactNode }) {
  return <div className={classes.end}>{children}</div>;
}

const LEAPS: Readonly<Record<string, (here: number) => number>> = {
  Home: () => 0,
  End: () => document.documentElement.scrollHeight,
  PageUp: here => here - window.innerHeight * 0.85,
  PageDown: here => here + window.innerHeight * 0.85,
};

/** Scrolls by the keys at once: rows that are measured for the first time on the way would stop what the browser does smoothly. */
function leap(event: globalThis.KeyboardEvent): void {
  const to = LEAPS[event.key];
  const isElsewhere = (event.target as Element).closest('input, textarea, select, [role=dialog], [role=menu], [role=listbox]') !== null;
  if (!to || isElsewhere || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  window.scrollTo(0, to(window.scrollY));
}

/** The arrows lead from the link of a row to that of the next. */
function stepByArrows(event: KeyboardEvent<HTMLTableElement>): void {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
  const row = (event.target as HTMLElement).closest('tbody tr');
  const next = event.key === 'ArrowDown' ? row?.nextElementSibling : row?.previousElementSibling;
  if (!next) return;
  event.preventDefault();
  next.querySelector<HTMLElement>('a')?.focus();
}
