import { IconTargetArrow } from '@tabler/icons-react';
import type { Target, Targets } from '../../api-types.js';
import { type Column, DataTable, Empty, Page, Tag, Tags, wholeList } from '../../components/index.js';
import { segment } from '../../lib/request.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { hostOf } from './target.js';
import { rateOf, TargetStatus } from './target-status.js';

const KINDS: Readonly<Record<string, 'targets.kind.webhook' | 'targets.kind.script' | 'targets.kind.handler'>> = {
  webhook: 'targets.kind.webhook',
  script: 'targets.kind.script',
  handler: 'targets.kind.handler',
};

/** Everybody who is told of events, of whatever kind, with how well that goes. */
export function TargetsPage() {
  const { t, format } = useSpeech();
  const query = useThing<Targets>('/targets');
  const number = (value: number) => format.number(value);
  const columns: readonly Column<Target>[] = [
    { key: 'name', header: t('deliveries.target'), render: nameOf },
    { key: 'kind', header: t('bans.kind'), render: ({ kind }) => <Tag>{KINDS[kind] ? t(KINDS[kind]) : kind}</Tag>, width: '8rem' },
    { key: 'state', header: t('common.status'), render: target => <TargetStatus target={target} />, width: '11rem' },
    { key: 'events', header: t('webhooks.events'), render: ({ events }) => <Tags values={events} /> },
    { key: 'rate', header: t('webhooks.rate'), align: 'right', render: target => rateOf(target, number), width: '6rem' },
    {
      key: 'waiting',
      header: t('delivery.state.waiting'),
      align: 'right',
      render: ({ deliveries }) => number(deliveries.waiting),
      width: '6rem',
    },
    { key: 'dead', header: t('delivery.state.dead'), align: 'right', render: ({ deliveries }) => number(deliveries.dead), width: '7rem' },
  ];
  return (
    <Page title={t('targets.title')} lead={t('targets.lead')}>
      <DataTable
        label={t('targets.title')}
        columns={columns}
        query={wholeList(query, query.data?.items ?? [])}
        rowKey={({ id }) => id}
        href={({ id, rule }) => (rule === undefined ? `/deliveries?${new URLSearchParams({ target: id })}` : `/webhooks/${segment(rule)}`)}
        empty={
          <Empty icon={<IconTargetArrow size={22} />} title={t('targets.empty')}>
            {t('targets.empty.text')}
          </Empty>
        }
      />
    </Page>
  );
}

function nameOf({ kind, name }: Target): string {
  return kind === 'webhook' ? hostOf(name) : name;
}
