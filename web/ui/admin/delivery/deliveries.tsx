import { IconTruckDelivery } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import type { DeliveriesRetried } from '../../api-types.js';
import { Button, type Column, DataTable, Empty, Page, rangeFilter, useFeedback, When } from '../../components/index.js';
import { type ListState, useListState } from '../../lib/list-state.js';
import { DELIVERY_STATES, type Delivery, type Webhook } from '../../lib/model.js';
import { type Times, timesOf } from '../../lib/ranges.js';
import { request, segment } from '../../lib/request.js';
import { useList } from '../../lib/resources.js';
import { type Translate, useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import { DeliveryStatus } from './delivery-status.js';
import { targetName } from './target.js';

/** Every event on its way to a target: what waits, what arrived, what was given up. */
export function DeliveriesPage() {
  const { t } = useSpeech();
  return (
    <Page title={t('nav.deliveries')} lead={t('deliveries.lead')}>
      <DeliveryTable list={useListState('-createdAt', ['state', 'webhook', 'event', 'target', 'range'])} />
    </Page>
  );
}

/** Deliveries, of all targets or of one. */
export function DeliveryTable({ list, webhook }: { readonly list: ListState; readonly webhook?: string }) {
  const { t } = useSpeech();
  const may = useMay();
  const webhooks = useList<Webhook>('/webhooks');
  const { sort: _sort, search: _search, range: _range, ...narrowed } = list.query;
  const own = { ...timesOf(list.filters.range), ...(webhook !== undefined && { webhook }) };
  const query = useList<Delivery>('/deliveries', undefined, { ...narrowed, ...own });
  const dead = useList<Delivery>('/deliveries', undefined, { limit: 1, state: 'dead', ...own });
  return (
    <DataTable
      label={t('nav.deliveries')}
      columns={columns(t, webhooks.data?.items ?? [], webhook === undefined)}
      query={query}
      rowKey={delivery => delivery.id}
      href={delivery => `/deliveries/${segment(delivery.id)}`}
      list={list}
      filters={[
        {
          name: 'state',
          label: t('common.status'),
          options: DELIVERY_STATES.map(value => ({ value, label: t(`delivery.state.${value}`) })),
        },
        rangeFilter(t, list),
      ]}
      toolbar={may('operator') && <RedeliverFailed count={dead.data?.total ?? 0} of={own} />}
      empty={
        <Empty icon={<IconTruckDelivery size={22} />} title={t('deliveries.empty')}>
          {t('deliveries.empty.text')}
        </Empty>
      }
    />
  );
}

function columns(t: Translate, webhooks: readonly Webhook[], withTarget: boolean): readonly Column<Delivery>[] {
  return [
    { key: 'eventType', header: t('events.type'), render: delivery => delivery.eventType, width: '11rem' },
    { key: 'state', header: t('common.status'), render: delivery => <DeliveryStatus state={delivery.state} />, width: '9rem' },
    ...(withTarget
      ? [
          {
            key: 'target',
            header: t('deliveries.target'),
            render: (delivery: Delivery) => targetName(delivery.target, webhooks),
            width: '15rem',
          },
        ]
      : []),
    { key: 'attempts', header: t('deliveries.attempts'), align: 'right', render: delivery => delivery.attempts, width: '5rem' },
    { key: 'lastError', header: t('deliveries.result'), render: delivery => delivery.lastError ?? '' },
    {
      key: 'next',
      header: t('deliveries.next'),
      render: delivery => (delivery.state === 'waiting' ? <When time={delivery.dueAt} /> : ''),
      width: '9rem',
    },
    { key: 'createdAt', header: t('events.time'), render: delivery => <When time={delivery.createdAt} />, width: '9rem' },
  ];
}

/** Sends again what failed: of all webhooks or one, since ever or within a time. */
function RedeliverFailed({ count, of }: { readonly count: number; readonly of: { readonly webhook?: string } & Times }) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const { confirm, done } = useFeedback();
  if (count === 0) return null;
  const again = async () => {
    const body = { state: 'dead', ...of };
    let sent = 0;
    try {
      // No more than there were: what fails at once again would never end.
      for (let left = count; left > 0 && sent < count; ) {
        const { data } = await request<DeliveriesRetried>('POST', '/deliveries/redeliver', { body });
        sent += data.deliveries;
        left = data.deliveries === 0 ? 0 : data.left;
      }
    } finally {
      if (sent > 0) done(t('deliveries.redelivered', { count: sent }));
      void queries.invalidateQueries({ queryKey: ['/deliveries'] });
    }
  };
  const question = {
    title: t('deliveries.redeliver.title', { count }),
    text: t('deliveries.redeliver.text'),
    action: t('deliveries.redeliver'),
    harmless: true,
  };
  return (
    <Button variant="default" size="xs" onClick={() => confirm(question, again)}>
      {t('deliveries.redeliverFailed', { count })}
    </Button>
  );
}
