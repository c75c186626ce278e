import { IconPlus, IconWebhook } from '@tabler/icons-react';
import { Link } from 'wouter';
import { Button, type Column, DataTable, Empty, Page, Tags } from '../../components/index.js';
import type { Webhook } from '../../lib/model.js';
import { segment } from '../../lib/request.js';
import { useList } from '../../lib/resources.js';
import { type Translate, useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import { hostOf } from './target.js';
import { rateOf, TargetStatus } from './target-status.js';

/** Who is told of what: every webhook with how well it is doing. */
export function WebhooksPage() {
  const { t, format } = useSpeech();
  const may = useMay();
  const query = useList<Webhook>('/webhooks');
  const add = (
    <Button component={Link} href="/webhooks/new" leftSection={<IconPlus size={16} aria-hidden />}>
      {t('webhooks.add')}
    </Button>
  );
  return (
    <Page title={t('nav.webhooks')} lead={t('webhooks.lead')} actions={may('admin') && add}>
      <DataTable
        label={t('nav.webhooks')}
        columns={columns(t, value => format.number(value))}
        query={query}
        rowKey={webhook => webhook.id}
        href={webhook => `/webhooks/${segment(webhook.id)}`}
        empty={
          <Empty icon={<IconWebhook size={22} />} title={t('webhooks.empty')} action={may('admin') && add}>
            {t('webhooks.empty.text')}
          </Empty>
        }
      />
    </Page>
  );
}

function columns(t: Translate, number: (value: number) => string): readonly Column<Webhook>[] {
  return [
    { key: 'url', header: t('webhooks.url'), render: webhook => hostOf(webhook.url) },
    { key: 'state', header: t('common.status'), render: webhook => <TargetStatus target={webhook} />, width: '11rem' },
    { key: 'events', header: t('webhooks.events'), render: webhook => <Tags values={webhook.events} /> },
    {
      key: 'succeeded',
      header: t('delivery.state.succeeded'),
      align: 'right',
      render: webhook => number(webhook.deliveries?.succeeded ?? 0),
      width: '7rem',
    },
    { key: 'rate', header: t('webhooks.rate'), align: 'right', render: webhook => rateOf(webhook, number), width: '6rem' },
    {
      key: 'waiting',
      header: t('delivery.state.waiting'),
      align: 'right',
      render: webhook => number(webhook.deliveries?.waiting ?? 0),
      width: '6rem',
    },
    {
      key: 'dead',
      header: t('delivery.state.dead'),
      align: 'right',
      render: webhook => number(webhook.deliveries?.dead ?? 0),
      width: '7rem',
    },
  ];
}
