import { IconDots, IconFile, IconFolderFilled, IconLink } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef, useState } from 'react';
import { Link } from 'wouter';
import { ActionIcon, Checkbox, Menu, When } from '../../components/index.js';
import type { Right } from '../../lib/model.js';
import { apiUrl } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';
import type { Deed } from './deeds.js';
import classes from './list.module.css';
import { childOf, pageOf, parentOf } from './paths.js';

/** One entry of a folder, as the API gives it. */
export interface Entry {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly mtime: number;
  readonly etag?: string;
}

type Order = 'name' | 'size' | 'mtime';

const ROW_PX = 44;

/** The address of a file's content. */
export function contentUrl(path: string): string {
  return apiUrl('/files/content', { path });
}

/** The entries of a folder: as many rows as fit are in the page, however many there are. */
export function FileList({
  folder,
  entries,
  chosen,
  choose,
  may,
  open,
  act,
}: {
  readonly folder: string;
  readonly entries: readonly Entry[];
  readonly chosen: ReadonlySet<string>;
  readonly choose: (names: ReadonlySet<string>) => void;
  readonly may: (right: Right) => boolean;
  readonly open: (href: string) => void;
  readonly act: (deed: Deed) => void;
}) {
  const { t, language } = useSpeech();
  const [order, setOrder] = useState<{ readonly by: Order; readonly down: boolean }>({ by: 'name', down: false });
  const sorted = useMemo(() => sortedEntries(entries, order, language), [entries, order, language]);
  const scroller = useRef<HTMLTableSectionElement>(null);
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const rows = virtual.getVirtualItems();
  const all = entries.length > 0 && entries.every(({ name }) => chosen.has(name));
  const toggle = (name: string) => {
    const changed = new Set(chosen);
    if (!changed.delete(name)) changed.add(name);
    choose(changed);
  };
  const sort = (by: Order) => setOrder({ by, down: order.by === by ? !order.down : by !== 'name' });
  const direction = (by: Order) => (order.by !== by ? 'none' : order.down ? 'descending' : 'ascending');
  const keys = (event: React.KeyboardEvent) => {
    const target = event.target as HTMLElement;
    const rows = [...(scroller.current?.querySelectorAll<HTMLElement>('[data-name]') ?? [])];
    const at = rows.indexOf(target);
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      rows[at < 0 ? 0 : at + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
    } else if (event.key === 'Backspace' && folder !== '/' && at >= 0) open(pageOf(parentOf(folder)));
    else if (at >= 0) {
      const entry = sorted.find(({ name }) => name === target.dataset.name);
      if (event.key === ' ' && entry) {
        event.preventDefault();
        toggle(entry.name);
      } else if (event.key === 'F2' && entry) act({ kind: 'rename', entry });
      else if (event.key === 'Delete' && entry) act({ kind: 'delete', entries: [entry] });
    }
  };
  return (
    <table aria-label={t('files.list')} aria-rowcount={sorted.length + 1} className={classes.table} onKeyDown={keys}>
      <thead>
        <tr className={classes.header}>
          <th scope="col">
            <Checkbox
              size="xs"
              aria-label={t('files.selectAll')}
              checked={all}
              indeterminate={!all && chosen.size > 0}
              onChange={() => choose(new Set(all ? [] : entries.map(({ name }) => name)))}
            />
          </th>
          <th scope="col" aria-sort={direction('name')}>
            <button type="button" onClick={() => sort('name')}>
              {t('common.name')}
            </button>
          </th>
          <th scope="col" aria-sort={direction('size')} className={classes.size}>
            <button type="button" onClick={() => sort('size')}>
              {t('files.size')}
            </button>
          </th>
          <th scope="col" aria-sort={direction('mtime')} className={classes.time}>
            <button type="button" onClick={() => sort('mtime')}>
              {t('files.modified')}
            </button>
          </th>
          <th scope="col">
            <span className={classes.hidden}>{t('common.more')}</span>
          </th>
        </tr>
      </thead>
      <tbody
        ref={scroller}
        className={classes.scroller}
        style={{ paddingTop: rows[0]?.start ?? 0, paddingBottom: virtual.getTotalSize() - (rows.at(-1)?.end ?? 0) }}
      >
        {rows.map(({ index, size }) => {
          const entry = sorted[index]!;
          return (
            <tr
              key={entry.name}
              aria-rowindex={index + 2}
              className={classes.row}
              data-chosen={chosen.has(entry.name) || undefined}
              style={{ height: size }}
            >
              <Row folder={folder} entry={entry} chosen={chosen.has(entry.name)} toggle={() => toggle(entry.name)} may={may} act={act} />
            </tr>
          );
        })}
        {sorted.length === 0 && (
          <tr>
            <td className={classes.nothing}>{t('table.nothing')}</td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

function Row({
  folder,
  entry,
  chosen,
  toggle,
  may,
  act,
}: {
  readonly folder: string;
  readonly entry: Entry;
  readonly chosen: boolean;
  readonly toggle: () => void;
  readonly may: (right: Right) => boolean;
  readonly act: (deed: Deed) => void;
}) {
  const { t, format } = useSpeech();
  const path = childOf(folder, entry.name);
  const isFolder = entry.type === 'directory';
  const Icon = isFolder ? IconFolderFilled : entry.type === 'symlink' ? IconLink : IconFile;
  const name = (
    <>
      <Icon size={18} aria-hidden className={isFolder ? classes.folder : classes.file} />
      <span dir="auto">{entry.name}</span>
    </>
  );
  return (
    <>
      <td>
        <Checkbox size="xs" aria-label={entry.name} checked={chosen} onChange={toggle} />
      </td>
      <td className={classes.nameCell}>
        {isFolder ? (
          <Link href={pageOf(path)} className={classes.name!} data-name={entry.name} title={entry.name}>
            {name}
          </Link>
        ) : may('download') ? (
          <a href={contentUrl(path)} download={entry.name} className={classes.name} data-name={entry.name} title={entry.name}>
            {name}
          </a>
        ) : (
          <span className={classes.name} title={entry.name}>
            {name}
          </span>
        )}
      </td>
      <td className={classes.size}>{isFolder ? '' : format.bytes(entry.size)}</td>
      <td className={classes.time}>
        <When time={entry.mtime} />
      </td>
      <td>
        <Menu position="bottom-end" width={190}>
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={t('files.actions', { name: entry.name })}>
              <IconDots size={17} aria-hidden />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {!isFolder && may('download') && (
              <Menu.Item component="a" href={contentUrl(path)} download={entry.name}>
                {t('files.download')}
              </Menu.Item>
            )}
            {may(isFolder ? 'rename-directories' : 'rename-files') && (
              <>
                <Menu.Item onClick={() => act({ kind: 'rename', entry })}>{t('files.rename')}…</Menu.Item>
                <Menu.Item onClick={() => act({ kind: 'move', entries: [entry] })}>{t('files.move')}…</Menu.Item>
              </>
            )}
            {!isFolder && may('copy') && <Menu.Item onClick={() => act({ kind: 'copy', entries: [entry] })}>{t('files.copy')}…</Menu.Item>}
            <Menu.Item onClick={() => act({ kind: 'details', entry })}>{t('common.details')}</Menu.Item>
            {may(isFolder ? 'delete-directories' : 'delete-files') && (
              <>
                <Menu.Divider />
                <Menu.Item color="var(--bad)" onClick={() => act({ kind: 'delete', entries: [entry] })}>
                  {t('common.delete')}…
                </Menu.Item>
              </>
            )}
          </Menu.Dropdown>
        </Menu>
      </td>
    </>
  );
}

/** Folders first, then by what was asked for; names as the reader's language orders them, numbers by their value. */
function sortedEntries(
  entries: readonly Entry[],
  { by, down }: { readonly by: Order; readonly down: boolean },
  language: string,
): readonly Entry[] {
  const names = new Intl.Collator(language, { numeric: true, sensitivity: 'base' });
  const factor = down ? -1 : 1;
  return [...entries].sort((one, other) => {
    const folders = Number(other.type === 'directory') - Number(one.type === 'directory');
    if (folders !== 0) return folders;
    const difference = by === 'name' ? 0 : one[by] - other[by];
    return factor * (difference || names.compare(one.name, other.name));
  });
}
