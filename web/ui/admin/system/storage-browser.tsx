import { IconArrowUp, IconFile, IconFolder, IconFolderOpen, IconLink } from '@tabler/icons-react';
import { useState } from 'react';
import type { Entry, StorageEntries } from '../../api-types.js';
import { Button, Bytes, Empty, Path, Pending, ProblemPanel, When } from '../../components/index.js';
import { segment } from '../../lib/request.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import classes from './storage-browser.module.css';

const SHOWN = 200;
/** What the hub keeps beside the files; nobody's home. */
const OWN = '.entrepot';
const ICONS = { directory: IconFolder, file: IconFile, symlink: IconLink } as const;

/** What is in a storage, as the hub itself sees it: folder by folder. `choose` is offered the folder that is open. */
export function StorageBrowser({
  storage,
  start = '/',
  choose,
}: {
  readonly storage: string;
  readonly start?: string;
  readonly choose?: (path: string) => void;
}) {
  const { t } = useSpeech();
  const [path, setPath] = useState(start);
  const [limit, setLimit] = useState(SHOWN);
  const query = useThing<StorageEntries>(`/storages/${segment(storage)}/files`, { path, limit });
  const open = (next: string) => {
    setLimit(SHOWN);
    setPath(next);
  };
  const entries = query.data?.items.filter(({ name, type }) => choose === undefined || (type === 'directory' && name !== OWN)) ?? [];
  return (
    <div className={classes.browser}>
      <div className={classes.bar}>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconArrowUp size={14} aria-hidden />}
          disabled={path === '/'}
          onClick={() => open(parentOf(path))}
        >
          {t('storages.up')}
        </Button>
        <span className={classes.place}>
          {storage}:<Path value={path} />
        </span>
        {choose && (
          <Button size="xs" onClick={() => choose(path)}>
            {t('storages.choose')}
          </Button>
        )}
      </div>
      {query.error ? (
        <div className={classes.padded}>
          <ProblemPanel title={t('problem.loading')} error={query.error} retry={() => void query.refetch()} />
        </div>
      ) : query.data === undefined ? (
        <Pending lines={4} />
      ) : entries.length === 0 ? (
        <Empty icon={<IconFolderOpen size={22} />} title={t(choose ? 'storages.folders.none' : 'storages.files.none')}>
          {choose && t('storages.folders.none.text')}
        </Empty>
      ) : (
        <ul className={classes.entries} aria-label={t('storages.files')}>
          {entries.map(entry => (
            <Row key={entry.name} entry={entry} open={() => open(`${path === '/' ? '' : path}/${entry.name}`)} />
          ))}
        </ul>
      )}
      {query.data && query.data.total > limit && (
        <div className={classes.padded}>
          <Button variant="default" size="xs" disabled={limit >= 1_000} onClick={() => setLimit(1_000)}>
            {t('storages.files.more', { count: query.data.total - limit })}
          </Button>
        </div>
      )}
    </div>
  );
}

function Row({ entry, open }: { readonly entry: Entry; readonly open: () => void }) {
  const Icon = ICONS[entry.type];
  return (
    <li>
      <Icon size={17} aria-hidden className={classes[entry.type]} />
      {entry.type === 'directory' ? (
        <button type="button" className={classes.open} onClick={open} dir="auto">
          {entry.name}
        </button>
      ) : (
        <span className={classes.name} dir="auto">
          {entry.name}
        </span>
      )}
      <span className={classes.size}>{entry.type === 'file' && <Bytes value={entry.size} />}</span>
      <span className={classes.time}>
        <When time={entry.mtime} />
      </span>
    </li>
  );
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
