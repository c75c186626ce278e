import { IconDots } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation, useParams } from 'wouter';
import { ActionIcon, Copyable, Facts, Loaded, Menu, Note, Page, Section, Tags, useFeedback, When } from '../../components/index.js';
import { useListState } from '../../lib/list-state.js';
import type { Webhook } from '../../lib/model.js';
import { request, segment } from '../../lib/request.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import { DeliveryTable } from './deliveries.js';
import { hostOf } from './target.js';
import { TargetStatus } from './target-status.js';
import { TestWebhook } from './test-webhook.js';

/** One webhook: what it hears of, a test, and its deliveries. */
export function WebhookPage() {
  const { t } = useSpeech();
  const may = useMay();
  const { id: raw = '' } = useParams<{ id: string }>();
  const id = decodeURIComponent(raw);
  const query = useThing<Webhook>(`/webhooks/${segment(id)}`);
  const [secret, setSecret] = useState<string>();
  const list = useListState('-createdAt', ['state', 'range']);
  return (
    <Page
      title={query.data ? hostOf(query.data.url) : t('nav.webhooks')}
      back={{ href: '/webhooks', label: t('nav.webhooks') }}
      mark={query.data && <TargetStatus target={query.data} />}
      actions={query.data && may('admin') && <WebhookMenu webhook={query.data} rotated={setSecret} />}
    >
      <Loaded query={query}>
        {webhook => (
          <>
            {secret !== undefined && (
              <Section title={t('webhooks.secret')} lead={t('webhooks.rotated')}>
                <Copyable value={secret} />
              </Section>
            )}
            <Section>
              <Facts
                facts={[
                  [t('webhooks.url'), <Copyable key="url" value={webhook.url} />],
                  [t('webhooks.events'), <Tags key="events" values={webhook.events} />],
                  webhook.paths.length > 0 && [t('webhooks.paths'), <Tags key="paths" values={webhook.paths} />],
                  (webhook.previousSecretUntil ?? 0) > Date.now() && [
                    t('webhooks.previousSecret'),
                    <When key="previous" time={webhook.previousSecretUntil ?? null} />,
                  ],
                  webhook.concurrency !== undefined && [t('webhooks.limit.concurrency'), String(webhook.concurrency)],
                  webhook.rate !== undefined && [t('webhooks.limit.rate'), webhook.rate],
                  webhook.users.length > 0 && [t('webhooks.users'), <Tags key="users" values={webhook.users} />],
                ]}
              />
            </Section>
            {may('operator') && (
              <Section title={t('webhooks.test')} lead={t('webhooks.test.lead')}>
                {webhook.enabled ? <TestWebhook path={`/webhooks/${segment(id)}/test`} /> : <Note>{t('webhooks.test.disabled')}</Note>}
              </Section>
            )}
            <Section title={t('nav.deliveries')} flush>
              <DeliveryTable list={list} webhook={id} />
            </Section>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function WebhookMenu({ webhook, rotated }: { readonly webhook: Webhook; readonly rotated: (secret: string) => void }) {
  const { t } = useSpeech();
  const [, go] = useLocation();
  const queries = useQueryClient();
  const { confirm, attempt } = useFeedback();
  const path = `/webhooks/${segment(webhook.id)}`;
  const refresh = () => queries.invalidateQueries({ queryKey: ['/webhooks'] });
  const set = async (enabled: boolean) => {
    await request('PATCH', path, { body: { enabled } });
    await refresh();
  };
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={t('common.more')}>
          <IconDots size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component={Link} href={`${path}/edit`}>
          {t('common.edit')}
        </Menu.Item>
        <Menu.Item onClick={() => void attempt(t('common.save'), () => set(!webhook.enabled), t('common.saved'))}>
          {t(webhook.enabled ? 'common.disable' : 'common.enable')}
        </Menu.Item>
        <Menu.Item
          onClick={() =>
            confirm(
              { title: t('webhooks.rotate.title'), text: t('webhooks.rotate.text'), action: t('webhooks.rotate'), harmless: true },
              async () => rotated((await request<{ secret: string }>('POST', `${path}/secret`)).data.secret),
            )
          }
        >
          {t('webhooks.rotate')}…
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item
          color="var(--bad)"
          onClick={() =>
            confirm(
              {
                title: t('webhooks.delete.title', { name: hostOf(webhook.url) }),
                text: t('webhooks.delete.text'),
                action: t('common.delete'),
              },
              async () => {
                await request('DELETE', path);
                go('/webhooks');
                await refresh();
              },
            )
          }
        >
          {t('common.delete')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
