import { IconPuzzle } from '@tabler/icons-react';
import { Link } from 'wouter';
import type { Extensions } from '../../api-types.js';
import { Anchor, type Column, DataTable, Empty, Page, Status, Tags, When, wholeList } from '../../components/index.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import classes from './extensions.module.css';

type Row = Extensions['items'][number];

/** What is loaded, the parts that are shipped as well as those of others: what each of them brought, and how it does. */
export function ExtensionsPage() {
  const { t } = useSpeech();
  const query = useThing<Extensions>('/extensions');
  const items = query.data?.items ?? [];
  const columns: readonly Column<Row>[] = [
    { key: 'name', header: t('common.name'), render: row => <strong>{row.name}</strong>, width: '9rem' },
    { key: 'health', header: t('extensions.health'), render: row => <Health row={row} />, width: '17rem' },
    { key: 'registered', header: t('extensions.registered'), render: row => <Tags values={row.registered} /> },
    { key: 'version', header: t('home.version'), render: row => row.version ?? '–', width: '6rem' },
    { key: 'api', header: t('extensions.api'), render: row => <code>{row.api}</code>, width: '6rem' },
    {
      key: 'key',
      header: t('extensions.from'),
      render: row => (row.key === row.name ? t('extensions.shipped') : <code>{row.key}</code>),
      width: '12rem',
    },
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

function Health({ row: { name, health } }: { readonly row: Row }) {
  const { t } = useSpeech();
  if (health.state === 'ok') return <Status tone="ok">{t('extensions.ok')}</Status>;
  return (
    <div className={classes.health}>
      <Status tone="bad">{t('extensions.failing')}</Status>
      {health.failures.map(({ part, at, message }) => (
        <p key={part}>
          <code>{part}</code> · <When time={at} />
          <br />
          <span dir="auto">{message}</span>
        </p>
      ))}
      {health.deadDeliveries > 0 && (
        <p>
          <Anchor component={Link} href={`/deliveries?${new URLSearchParams({ state: 'dead', target: `handler/${name}/` })}`}>
            {t('extensions.dead', { count: health.deadDeliveries })}
          </Anchor>
        </p>
      )}
    </div>
  );
}
