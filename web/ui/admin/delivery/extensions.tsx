import { IconPuzzle } from '@tabler/icons-react';
import type { Extensions } from '../../api-types.js';
import { type Column, DataTable, Empty, Page, Tags, wholeList } from '../../components/index.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';

type Row = Extensions['items'][number];

/** What is loaded, the parts that are shipped as well as those of others, and what each of them brought. */
export function ExtensionsPage() {
  const { t } = useSpeech();
  const query = useThing<Extensions>('/extensions');
  const items = query.data?.items ?? [];
  const columns: readonly Column<Row>[] = [
    { key: 'name', header: t('common.name'), render: row => <strong>{row.name}</strong>, width: '12rem' },
    { key: 'registered', header: t('extensions.registered'), render: row => <Tags values={row.registered} /> },
    {
      key: 'key',
      header: t('extensions.from'),
      render: row => (row.key === row.name ? t('extensions.shipped') : <code>{row.key}</code>),
      width: '14rem',
    },
    { key: 'api', header: t('extensions.api'), render: row => <code>{row.api}</code>, width: '7rem' },
  ];
  return (
    <Page title={t('extensions.title')} lead={t('extensions.lead')}>
      <DataTable
        label={t('extensions.title')}
        columns={columns}
        query={wholeList(query, items)}
        rowKey={row => row.key}
        empty={<Empty icon={<IconPuzzle size={22} />} title={t('table.nothing')} />}
      />
    </Page>
  );
}
