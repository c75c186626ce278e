import { Button, CloseButton } from '../../components/index.js';
import type { Right } from '../../lib/model.js';
import { useSpeech } from '../../lib/texts.js';
import type { Deed } from './deeds.js';
import { contentUrl, type Entry } from './list.js';
import { childOf } from './paths.js';
import classes from './selection-bar.module.css';

/** What can be done with what is chosen. */
export function SelectionBar({
  folder,
  entries,
  may,
  clear,
  act,
}: {
  readonly folder: string;
  readonly entries: readonly Entry[];
  readonly may: (right: Right) => boolean;
  readonly clear: () => void;
  readonly act: (deed: Deed) => void;
}) {
  const { t, format } = useSpeech();
  const bytes = entries.reduce((sum, { type, size }) => sum + (type === 'directory' ? 0 : size), 0);
  const [folders, files] = [entries.some(({ type }) => type === 'directory'), entries.some(({ type }) => type !== 'directory')];
  const all = (forFiles: Right, forFolders: Right) => (!files || may(forFiles)) && (!folders || may(forFolders));
  const download = () => {
    for (const { name } of entries) {
      const link = document.createElement('a');
      link.href = contentUrl(childOf(folder, name));
      link.download = name;
      link.click();
    }
  };
  return (
    <div className={classes.bar} role="toolbar" aria-label={t('files.chosen', { count: entries.length })}>
      <CloseButton aria-label={t('files.clear')} onClick={clear} />
      <span className={classes.count} role="status">
        {t('files.chosen', { count: entries.length })}
        {bytes > 0 && ` · ${format.bytes(bytes)}`}
      </span>
      {!folders && may('download') && (
        <Button size="xs" variant="default" onClick={download}>
          {t('files.download')}
        </Button>
      )}
      {all('rename-files', 'rename-directories') && (
        <Button size="xs" variant="default" onClick={() => act({ kind: 'move', entries })}>
          {t('files.move')}
        </Button>
      )}
      {!folders && may('copy') && (
        <Button size="xs" variant="default" onClick={() => act({ kind: 'copy', entries })}>
          {t('files.copy')}
        </Button>
      )}
      {all('delete-files', 'delete-directories') && (
        <Button size="xs" variant="default" onClick={() => act({ kind: 'delete', entries })}>
          {t('common.delete')}
        </Button>
      )}
    </div>
  );
}
