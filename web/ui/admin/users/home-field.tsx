import { Select, TextInput } from '../../components/index.js';
import { useList } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import classes from './home-field.module.css';

interface Target {
  readonly value?: string;
  readonly onChange?: (value: string) => void;
  readonly error?: React.ReactNode;
}

/** Where files go: a storage from the list, and a directory in it. Gives 'STORAGE:/path', or nothing for the default. */
export function HomeField({ name, value = '', onChange, error, label }: Target & { readonly name: string; readonly label?: string }) {
  const { t } = useSpeech();
  const storages = useList<{ readonly name: string }>('/storages');
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
        />
      </div>
    </fieldset>
  );
}
