import { IconFolderSearch } from '@tabler/icons-react';
import { useState } from 'react';
import { ActionIcon, Modal, Select, TextInput, Tooltip } from '../../components/index.js';
import { useList } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import { StorageBrowser } from '../system/storage-browser.js';
import classes from './home-field.module.css';

interface Target {
  readonly value?: string;
  readonly onChange?: (value: string) => void;
  readonly error?: React.ReactNode;
}

/** Where files go: a storage from the list, and a directory in it, typed or found. Gives 'STORAGE:/path', or nothing for the default. */
export function HomeField({ name, value = '', onChange, error, label }: Target & { readonly name: string; readonly label?: string }) {
  const { t } = useSpeech();
  const may = useMay();
  const storages = useList<{ readonly name: string }>('/storages');
  const [browsing, setBrowsing] = useState(false);
  const colon = value.indexOf(':');
  const storage = colon < 0 ? 'data' : value.slice(0, colon);
  const directory = colon < 0 ? '' : value.slice(colon + 1);
  const names = storages.data?.items.map(one => one.name) ?? ['data'];
  const change = (nextStorage: string, nextDirectory: string) =>
    onChange?.(nextStorage === 'data' && nextDirectory === '' ? '' : `${nextStorage}:${nextDirectory || `/${name}`}`);
  return (
    <fieldset className={classes.fieldset}>
      <legend>{label ?? t('users.home')}</legend>
      <p className={classes.help}>{t('users.home.help')}</p>
      <div className={classes.row}>
        <Select
          aria-label={t('users.home.storage')}
          data={names.includes(storage) ? names : [storage, ...names]}
          value={storage}
          onChange={chosen => change(chosen ?? 'data', directory)}
          allowDeselect={false}
          searchable={names.length > 8}
        />
        <TextInput
          aria-label={t('users.home.directory')}
          placeholder={`/${name || t('users.username').toLowerCase()}`}
          value={directory}
          onChange={event => change(storage, event.currentTarget.value)}
          error={error}
          spellCheck={false}
          rightSection={
            may('admin') && (
              <Tooltip label={t('users.home.browse')}>
                <ActionIcon variant="subtle" color="gray" aria-label={t('users.home.browse')} onClick={() => setBrowsing(true)}>
                  <IconFolderSearch size={17} aria-hidden />
                </ActionIcon>
              </Tooltip>
            )
          }
        />
      </div>
      <Modal
        opened={browsing}
        onClose={() => setBrowsing(false)}
        title={t('users.home.browse')}
        size="lg"
        padding={0}
        classNames={{ header: classes.modalHeader! }}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <StorageBrowser
          storage={storage}
          choose={path => {
            change(storage, path);
            setBrowsing(false);
          }}
        />
      </Modal>
    </fieldset>
  );
}
