import { IconFolderPlus, IconUpload } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useLocation, useParams } from 'wouter';
import { Button, Empty, FileButton, Loaded, SearchField, useFeedback, useTitle } from '../../components/index.js';
import type { Right } from '../../lib/model.js';
import { asProblem } from '../../lib/problem.js';
import { request } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';
import { Breadcrumbs } from './breadcrumbs.js';
import { type Deed, Deeds } from './deeds.js';
import { type Dropped, droppedFiles } from './dropped.js';
import { type Entry, FileList } from './list.js';
import classes from './page.module.css';
import { childOf, folderOf, nameOf, parentOf } from './paths.js';
import { SelectionBar } from './selection-bar.js';
import type { UploadQueue } from './uploads.js';

const PAGE = 1000;

/** A folder of the reader's: what is in it, and everything that he may do with it. */
export function FilesPage({ queue }: { readonly queue: UploadQueue }) {
  const { t } = useSpeech();
  const { '*': rest = '' } = useParams<{ '*': string }>();
  const folder = folderOf(rest);
  const [, go] = useLocation();
  const queries = useQueryClient();
  const { failed } = useFeedback();
  const query = useQuery({ queryKey: ['/files', folder], queryFn: ({ signal }) => readFolder(folder, signal) });
  const [filter, setFilter] = useState('');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [deed, setDeed] = useState<Deed>();
  useTitle(folder === '/' ? t('nav.files') : nameOf(folder));
  const rights = query.data?.rights;
  const may = useMemo(() => (right: Right) => rights?.includes(right) ?? false, [rights]);
  const refresh = () => queries.invalidateQueries({ queryKey: ['/files'] });
  useEffect(
    () => queue.onFinished(path => void (parentOf(path) === folder && queries.invalidateQueries({ queryKey: ['/files'] }))),
    [queue, folder, queries],
  );
  const entries = query.data?.items ?? [];
  const shown = entries.filter(({ name }) => name.toLocaleLowerCase().includes(filter.toLocaleLowerCase()));
  const selected = entries.filter(({ name }) => chosen.has(name));

  const upload = async (dropped: readonly Dropped[]) => {
    const made = new Set<string>();
    for (const { path, file } of dropped) {
      try {
        await makeFolders(folder, path.split('/').slice(0, file ? -1 : undefined), made);
        if (file) queue.add(childOf(folder, path), file);
      } catch (error) {
        failed(t('upload.title'), error);
        return;
      }
    }
    void refresh();
  };
  const over = useFileDrop(may('upload'), transfer => void droppedFiles(transfer).then(upload));
  return (
    <div className={classes.page} data-over={over || undefined}>
      <div className={classes.top}>
        <Breadcrumbs folder={folder} />
        <div className={classes.tools}>
          <SearchField label={t('files.filter')} value={filter} onChange={setFilter} className={classes.filter!} />
          {may('create-directories') && (
            <Button variant="default" leftSection={<IconFolderPlus size={16} aria-hidden />} onClick={() => setDeed({ kind: 'mkdir' })}>
              {t('files.newFolder')}
            </Button>
          )}
          {may('upload') && (
            <FileButton multiple onChange={files => void upload(files.map(file => ({ path: file.name, file })))}>
              {props => (
                <Button leftSection={<IconUpload size={16} aria-hidden />} {...props}>
                  {t('files.upload')}
                </Button>
              )}
            </FileButton>
          )}
        </div>
      </div>
      {selected.length > 0 && (
        <SelectionBar folder={folder} entries={selected} may={may} clear={() => setChosen(new Set())} act={setDeed} />
      )}
      <div className={classes.sheet}>
        <Loaded query={query} lines={8}>
          {() =>
            entries.length === 0 ? (
              <Empty icon={<IconUpload size={22} />} title={t('files.empty')}>
                {t(may('upload') ? 'files.empty.text' : 'files.empty.readOnly')}
              </Empty>
            ) : (
              <FileList folder={folder} entries={shown} chosen={chosen} choose={setChosen} may={may} open={go} act={setDeed} />
            )
          }
        </Loaded>
      </div>
      {over && <div className={classes.drop}>{t('files.drop', { folder: folder === '/' ? t('nav.files') : nameOf(folder) })}</div>}
      <Deeds
        folder={folder}
        deed={deed}
        close={() => setDeed(undefined)}
        done={() => {
          setChosen(new Set());
          void refresh();
        }}
      />
    </div>
  );
}

interface Directory {
  readonly rights: readonly string[];
  readonly items: readonly Entry[];
  readonly total: number;
}

/** A folder in whole, however many pages it takes. */
async function readFolder(path: string, signal: AbortSignal): Promise<Directory> {
  const items: Entry[] = [];
  for (;;) {
    const { data } = await request<Directory>('GET', '/files', { query: { path, limit: PAGE, offset: items.length }, signal });
    items.push(...data.items);
    if (data.items.length < PAGE || items.length >= data.total) return { ...data, items };
  }
}

/** Whether files are being dragged over the window; `drop` gets them when they are let go. */
function useFileDrop(enabled: boolean, drop: (transfer: DataTransfer) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(drop);
  latest.current = drop;
  useEffect(() => {
    if (!enabled) return;
    const hold = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const take = (event: DragEvent) => {
      setOver(false);
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      latest.current(event.dataTransfer);
    };
    addEventListener('dragover', hold);
    addEventListener('dragleave', leave);
    addEventListener('drop', take);
    return () => {
      removeEventListener('dragover', hold);
      removeEventListener('dragleave', leave);
      removeEventListener('drop', take);
    };
  }, [enabled]);
  return over;
}

/** Makes the folders `names`, each in the one before, below `folder`, unless they are there; `made` are those of the same drop that are. */
async function makeFolders(folder: string, names: readonly string[], made: Set<string>): Promise<void> {
  for (let depth = 1; depth <= names.length; depth += 1) {
    const one = childOf(folder, names.slice(0, depth).join('/'));
    if (made.has(one)) continue;
    await request('POST', '/files/directories', { body: { path: one } }).catch((error: unknown) => {
      if (asProblem(error).status !== 409) throw error;
    });
    made.add(one);
  }
}
