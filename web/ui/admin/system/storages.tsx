import { IconDatabase, IconPlus } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import type { StorageTest as Outcome } from '../../api-types.js';
import { Button, type Column, DataTable, Empty, Page, Status, Tag, useFeedback } from '../../components/index.js';
import type { Storage } from '../../lib/model.js';
import { request, segment } from '../../lib/request.js';
import { useList } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';

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
    { key: 'do', header: '', render: storage => <Deeds storage={storage} />, width: '20rem' },
  ];
  return (
    <Page title={t('nav.storages')} lead={t('storages.lead')} actions={may('admin') && add}>
      <DataTable
        label={t('nav.storages')}
        columns={columns}
        query={query}
        rowKey={storage => storage.name}
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
  return String(root ?? capacity ?? '');
}

function Deeds({ storage }: { readonly storage: Storage }) {
  const { t, format } = useSpeech();
  const may = useMay();
  const queries = useQueryClient();
  const { confirm, failed } = useFeedback();
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();
  const test = async () => {
    setBusy(true);
    try {
      setOutcome((await request<Outcome>('POST', `/storages/${segment(storage.name)}/test`)).data);
    } catch (error) {
      failed(t('storages.test'), error);
    } finally {
      setBusy(false);
    }
  };
  const remove = async () => {
    await request('DELETE', `/storages/${segment(storage.name)}`);
    await queries.invalidateQueries({ queryKey: ['/storages'] });
  };
  return (
    <div style={{ display: 'flex', gap: '0.5rem', alignItems: 'center', justifyContent: 'flex-end', flexWrap: 'wrap' }}>
      <span aria-live="polite">
        {outcome && (
          <Status tone={outcome.ok ? 'ok' : 'bad'}>
            {outcome.ok ? t('storages.works', { time: format.duration(outcome.durationMs) }) : outcome.message}
          </Status>
        )}
      </span>
      {may('operator') && (
        <Button variant="default" size="xs" loading={busy} onClick={() => void test()}>
          {t('storages.test')}
        </Button>
      )}
      {may('admin') && !storage.discovered && storage.name !== 'data' && (
        <Button
          variant="default"
          size="xs"
          onClick={() =>
            confirm(
              { title: t('storages.remove.title', { name: storage.name }), text: t('storages.remove.text'), action: t('common.remove') },
              remove,
            )
          }
        >
          {t('common.remove')}
        </Button>
      )}
    </div>
  );
}
