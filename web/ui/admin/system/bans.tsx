import { IconShieldCheck } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { Ban } from '../../api-types.js';
import { Anchor, Button, type Column, DataTable, Empty, Page, Status, Tag, useFeedback, useNow, When } from '../../components/index.js';
import { request, segment } from '../../lib/request.js';
import { useList } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import { AddressRules } from './address-rules.js';

/** Who is turned away because logins failed, until when, and the way to lift that. */
export function BansPage() {
  const { t } = useSpeech();
  const query = useList<Ban>('/bans');
  const columns: readonly Column<Ban>[] = [
    { key: 'subject', header: t('bans.subject'), render: ban => <code dir="auto">{ban.subject}</code> },
    { key: 'kind', header: t('bans.kind'), render: ban => <Tag>{t(`bans.kind.${ban.kind}`)}</Tag>, width: '8rem' },
    { key: 'until', header: t('bans.until'), render: ban => <Until ban={ban} />, width: '13rem' },
    { key: 'reason', header: t('bans.reason'), render: ban => ban.reason },
    { key: 'since', header: t('bans.since'), render: ban => <When time={ban.since} />, width: '9rem' },
    { key: 'do', header: '', render: ban => <Lift ban={ban} />, width: '7rem' },
  ];
  return (
    <Page
      title={t('bans.title')}
      lead={t('bans.lead')}
      actions={
        <Anchor component={Link} href="/events?type=login.failed">
          {t('bans.failures')}
        </Anchor>
      }
    >
      <DataTable
        label={t('bans.title')}
        columns={columns}
        query={query}
        rowKey={ban => `${ban.kind} ${ban.subject}`}
        empty={
          <Empty icon={<IconShieldCheck size={22} />} title={t('bans.empty')}>
            {t('bans.empty.text')}
          </Empty>
        }
      />
      <AddressRules />
    </Page>
  );
}

function Until({ ban }: { readonly ban: Ban }) {
  const { t } = useSpeech();
  const now = useNow();
  if (ban.until <= now) return <Status tone="idle">{t('bans.over')}</Status>;
  return (
    <Status tone="bad">
      {t('bans.blocked')} <When time={ban.until} />
    </Status>
  );
}

function Lift({ ban }: { readonly ban: Ban }) {
  const { t } = useSpeech();
  const may = useMay();
  const now = useNow();
  const queries = useQueryClient();
  const { attempt } = useFeedback();
  if (!may('operator') || ban.until <= now) return null;
  const lift = async () => {
    await request('DELETE', `/bans/${segment(ban.subject)}`);
    await queries.invalidateQueries({ queryKey: ['/bans'] });
  };
  return (
    <Button variant="default" size="xs" onClick={() => void attempt(t('bans.lift'), lift, t('bans.lifted', { subject: ban.subject }))}>
      {t('bans.lift')}
    </Button>
  );
}
