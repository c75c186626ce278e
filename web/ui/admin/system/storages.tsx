import { IconDatabase, IconPlus } from '@tabler/icons-react';
import { Link } from 'wouter';
import { Button, type Column, DataTable, Empty, Page, Tag } from '../../components/index.js';
import type { Storage } from '../../lib/model.js';
import { segment } from '../../lib/request.js';
import { useList } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import { TestStorage } from './storage-form.js';
import classes from './system.module.css';

/** Where files are kept. */
export function StoragesPage() {
  const { t } = useSpeech();
  const may = useMay();
  const query = useList<Storage>('/storages');
  const add = (
    <Button component={Link} href="/storages/new" leftSection={<IconPlus size={16} aria-hidden />}>
      {t('storages.add')}
    </Button>
  );
  const columns: readonly Column<Storage>[] = [
    { key: 'name', header: t('common.name'), render: storage => <strong>{storage.name}</strong>, width: '12rem' },
    { key: 'kind', header: t('storages.kind'), render: storage => <Tag>{storage.kind}</Tag>, width: '8rem' },
    { key: 'place', header: t('storages.place'), render: storage => <code>{placeOf(storage)}</code> },
    {
      key: 'discovered',
      header: t('storages.origin'),
      render: storage => t(storage.discovered ? 'storages.discovered' : 'storages.added'),
      width: '9rem',
    },
    { key: 'do', header: '', render: storage => may('operator') && <Test storage={storage} />, width: '12rem' },
  ];
  return (
    <Page title={t('nav.storages')} lead={t('storages.lead')} actions={may('admin') && add}>
      <DataTable
        label={t('nav.storages')}
        columns={columns}
        query={query}
        rowKey={storage => storage.name}
        href={storage => `/storages/${segment(storage.name)}`}
        empty={
          <Empty icon={<IconDatabase size={22} />} title={t('storages.empty')} action={may('admin') && add}>
            {t('storages.empty.text')}
          </Empty>
        }
      />
    </Page>
  );
}

function placeOf({ options }: Storage): string {
  const { root, host, port, capacity } = options as Record<string, string | number | undefined>;
  if (host !== undefined) return `${host}${port === undefined ? '' : `:${port}`}${root ?? ''}`;
  return String(root ?? capacity ?? '–');
}

function Test({ storage }: { readonly storage: Storage }) {
  return (
    <div className={classes.deeds}>
      <TestStorage path={`/storages/${segment(storage.name)}/test`} size="xs" />
    </div>
  );
}
