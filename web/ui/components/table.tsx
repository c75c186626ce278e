import { Button, Checkbox, Select } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconArrowDown, IconArrowUp, IconX } from '@tabler/icons-react';
import { Fragment, type ReactNode, useEffect, useState } from 'react';
import { Link } from 'wouter';
import type { ListState } from '../lib/list-state.js';
import { useSpeech } from '../lib/texts.js';
import { SearchField } from './search.js';
import { Pending, ProblemPanel } from './states.js';
import classes from './table.module.css';

/** A page of a list, as the API gives it. */
export interface ListPage<T> {
  readonly items: readonly T[];
  readonly total: number;
  readonly limit?: number;
  readonly offset?: number;
  /** False when there are more than `total`. */
  readonly exact?: boolean;
}

/** As much of a query as a table needs. */
export interface ListQuery<T> {
  readonly data: ListPage<T> | undefined;
  readonly error: unknown;
  readonly isFetching: boolean;
  readonly refetch: () => unknown;
}

/** For a list that comes as a whole: `items` are all of what `query` brought. */
export function wholeList<T>(query: Omit<ListQuery<unknown>, 'data'> & { readonly data: unknown }, items: readonly T[]): ListQuery<T> {
  const { data, error, isFetching, refetch } = query;
  return { data: data === undefined ? undefined : { items, total: items.length }, error, isFetching, refetch };
}

/** A column: what it is called, and what of a row it shows. */
export interface Column<T> {
  readonly key: string;
  readonly header: string;
  readonly render: (row: T) => ReactNode;
  /** Whether the server can sort by `key`. */
  readonly sortable?: boolean;
  /** Numbers that people compare stand on the right. */
  readonly align?: 'right';
  /** Width as CSS; what is left goes to the others. */
  readonly width?: string;
}

/** A choice above the table, kept in the address under `name`. */
export interface Filter {
  readonly name: string;
  readonly label: string;
  readonly options: readonly { readonly value: string; readonly label: string }[];
  /** Which option is chosen, where the address says more than its value. */
  readonly chosen?: string;
  /** What stands behind the choice, to say more. */
  readonly more?: ReactNode;
}

/** Rows that are chosen for something that is done with all of them. */
export interface Selection {
  readonly keys: ReadonlySet<string>;
  readonly choose: (keys: ReadonlySet<string>) => void;
}

/** What a table shows and how its reader may narrow it. */
export interface TableProps<T> {
  /** What the table lists, for those who do not see it. */
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly query: ListQuery<T>;
  readonly rowKey: (row: T) => string;
  /** Where a row leads; the first column becomes the link. */
  readonly href?: (row: T) => string;
  readonly list?: ListState;
  readonly search?: string;
  readonly filters?: readonly Filter[];
  /** Shown when there is nothing, and nothing was asked for. */
  readonly empty: ReactNode;
  readonly selection?: Selection;
  readonly toolbar?: ReactNode;
}

/** A list of records: searched, filtered, sorted and paged by the server; cards where there is no room for columns. */
export function DataTable<T>(props: TableProps<T>) {
  const { list, query } = props;
  const rows = query.data?.items ?? [];
  return (
    <ListFrame {...props}>
      <Rows {...props} rows={rows} />
      {list && <Pager list={list} total={query.data?.total ?? 0} exact={query.data?.exact !== false} shown={rows.length} />}
    </ListFrame>
  );
}

/** What surrounds the rows of a list, and stands in their place while there are none. */
export function ListFrame<T>({
  children,
  ...props
}: Omit<TableProps<T>, 'href' | 'rowKey' | 'columns'> & { readonly children: ReactNode }) {
  const { list, query, empty } = props;
  const { t } = useSpeech();
  const narrowed = list?.narrowed ?? false;
  const bar = (props.search !== undefined || props.filters?.length || props.toolbar) && (query.data?.total !== 0 || narrowed);
  return (
    <div className={classes.frame} aria-busy={query.isFetching}>
      {bar && <Toolbar {...props} />}
      {query.error && query.data === undefined ? (
        <div className={classes.padded}>
          <ProblemPanel title={t('problem.loading')} error={query.error} retry={() => void query.refetch()} />
        </div>
      ) : query.data === undefined ? (
        <Pending lines={8} />
      ) : query.data.items.length === 0 && !narrowed ? (
        empty
      ) : query.data.items.length === 0 ? (
        <div className={classes.nothing}>
          <p>{t('table.nothing')}</p>
          <Button variant="default" size="xs" onClick={list!.clear}>
            {t('table.clear')}
          </Button>
        </div>
      ) : (
        children
      )}
    </div>
  );
}

function Toolbar<T>({ list, search, filters, toolbar }: Pick<TableProps<T>, 'list' | 'search' | 'filters' | 'toolbar'>) {
  const { t } = useSpeech();
  const [text, setText] = useState(list?.search ?? '');
  const send = useDebouncedCallback((value: string) => list?.set({ search: value }), 250);
  useEffect(() => setText(list?.search ?? ''), [list?.search]);
  return (
    <search className={classes.toolbar}>
      {search !== undefined && list && (
        <SearchField
          className={classes.search!}
          label={search}
          value={text}
          onChange={value => {
            setText(value);
            send(value);
          }}
        />
      )}
      {list &&
        filters?.map(filter => (
          <Fragment key={filter.name}>
            <Select
              className={classes.filter!}
              aria-label={filter.label}
              placeholder={filter.label}
              data={[...filter.options]}
              value={filter.chosen ?? list.filters[filter.name] ?? null}
              onChange={value => list.set({ [filter.name]: value ?? '' })}
              clearable
              clearButtonProps={{ 'aria-label': t('table.clear') }}
              comboboxProps={{ width: 'max-content', position: 'bottom-start' }}
            />
            {filter.more}
          </Fragment>
        ))}
      {list?.narrowed && (
        <Button variant="subtle" color="gray" leftSection={<IconX size={14} aria-hidden />} onClick={list.clear}>
          {t('table.clear')}
        </Button>
      )}
      {toolbar && <div className={classes.tools}>{toolbar}</div>}
    </search>
  );
}

function Rows<T>({ label, columns, rows, rowKey, href, list, selection }: TableProps<T> & { readonly rows: readonly T[] }) {
  const { t } = useSpeech();
  const keys = rows.map(rowKey);
  const all = keys.every(key => selection?.keys.has(key));
  return (
    <table className={classes.table} aria-label={label}>
      <thead>
        <tr>
          {selection && (
            <th className={classes.choose} scope="col">
              <Checkbox
                size="xs"
                aria-label={t('table.selectAll')}
                checked={all}
                indeterminate={!all && keys.some(key => selection.keys.has(key))}
                onChange={() => selection.choose(new Set(all ? [] : keys))}
              />
            </th>
          )}
          {columns.map(column => (
            <Header key={column.key} column={column} list={list} />
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, index) => {
          const key = keys[index]!;
          return (
            <tr key={key} data-chosen={selection?.keys.has(key) || undefined} data-link={href ? true : undefined}>
              {selection && (
                <td className={classes.choose}>
                  <Checkbox
                    size="xs"
                    aria-label={key}
                    checked={selection.keys.has(key)}
                    onChange={() => selection.choose(toggled(selection.keys, key))}
                  />
                </td>
              )}
              {columns.map((column, position) => (
                <td key={column.key} data-label={column.header} data-align={column.align} data-first={position === 0 || undefined}>
                  {position === 0 && href ? (
                    <Link href={href(row)} className={classes.link!}>
                      {column.render(row)}
                    </Link>
                  ) : (
                    column.render(row)
                  )}
                </td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Header<T>({ column, list }: { readonly column: Column<T>; readonly list: ListState | undefined }) {
  const direction = list?.sort === column.key ? 'ascending' : list?.sort === `-${column.key}` ? 'descending' : undefined;
  const style = column.width ? { width: column.width } : undefined;
  if (!column.sortable || !list) {
    return (
      <th scope="col" style={style} data-align={column.align}>
        {column.header}
      </th>
    );
  }
  return (
    <th scope="col" style={style} data-align={column.align} aria-sort={direction ?? 'none'}>
      <button
        type="button"
        className={classes.sort}
        onClick={() => list.set({ sort: direction === 'ascending' ? `-${column.key}` : column.key })}
      >
        {column.header}
        {direction === 'ascending' && <IconArrowUp size={13} aria-hidden />}
        {direction === 'descending' && <IconArrowDown size={13} aria-hidden />}
      </button>
    </th>
  );
}

function Pager({
  list,
  total,
  exact,
  shown,
}: {
  readonly list: ListState;
  readonly total: number;
  readonly exact: boolean;
  readonly shown: number;
}) {
  const { t, format } = useSpeech();
  const last = list.offset + shown;
  return (
    <nav className={classes.pager} aria-label={t('table.pages')}>
      <span className="number">
        {t('table.range', { first: list.offset + 1, last, total: exact ? format.number(total) : `${format.number(total)}+` })}
      </span>
      {(total > list.limit || list.offset > 0) && (
        <span className={classes.pagerButtons}>
          <Button variant="default" size="xs" disabled={list.offset === 0} onClick={() => list.turn(-1)}>
            {t('table.previous')}
          </Button>
          <Button variant="default" size="xs" disabled={exact ? last >= total : shown < list.limit} onClick={() => list.turn(1)}>
            {t('table.next')}
          </Button>
        </span>
      )}
    </nav>
  );
}

function toggled(keys: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const changed = new Set(keys);
  if (!changed.delete(key)) changed.add(key);
  return changed;
}
