import { useQueryClient } from '@tanstack/react-query';
import { useLocation, useParams } from 'wouter';
import { Followed, Form, Loaded, Note, Page, Section, useFeedback, useHubForm } from '../../components/index.js';
import type { Webhook } from '../../lib/model.js';
import { type Answer, request, segment } from '../../lib/request.js';
import { useVersioned } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { hostOf } from './target.js';
import { bodyOf, checkWebhook, WebhookFields } from './webhook-fields.js';

/** Changes where a webhook is sent to, and of what it hears; its secret and its deliveries stay. */
export function EditWebhookPage() {
  const { t } = useSpeech();
  const { id = '' } = useParams<{ id: string }>();
  const path = `/webhooks/${segment(decodeURIComponent(id))}`;
  const query = useVersioned<Webhook>(path);
  return (
    <Page
      title={t('webhooks.edit')}
      lead={t('webhooks.edit.lead')}
      back={{ href: path, label: query.data ? hostOf(query.data.data.url) : t('nav.webhooks') }}
      narrow
    >
      <Section>
        <Loaded query={query}>{() => <Followed query={query}>{answer => <EditForm path={path} answer={answer} />}</Followed>}</Loaded>
      </Section>
    </Page>
  );
}

function EditForm({ path, answer: { data: webhook, etag } }: { readonly path: string; readonly answer: Answer<Webhook> }) {
  const { t } = useSpeech();
  const [, go] = useLocation();
  const queries = useQueryClient();
  const { done } = useFeedback();
  const form = useHubForm({
    initial: {
      url: webhook.url,
      events: [...webhook.events],
      paths: [...webhook.paths],
      users: [...webhook.users],
      concurrency: webhook.concurrency ?? ('' as const),
      rate: webhook.rate ?? '',
    },
    check: values => checkWebhook(values, t),
    send: async values => (await request<{ warning?: string }>('PATCH', path, { body: bodyOf(values), etag })).data.warning,
    done: warning => {
      done(warning ?? t('common.saved'));
      void queries.invalidateQueries({ queryKey: ['/webhooks'] });
      go(path);
    },
  });
  return (
    <Form form={form} submit={t('common.save')} cancel={() => go(path)}>
      {!webhook.enabled && <Note>{t('webhooks.edit.disabled')}</Note>}
      <WebhookFields form={form} />
    </Form>
  );
}
