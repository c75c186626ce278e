import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { WebhookCreated as Created } from '../../api-types.js';
import { Button, CodeBlock, Copyable, Form, Group, Note, Page, Section, Stack, useHubForm } from '../../components/index.js';
import { request, segment } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';
import { TestWebhook } from './test-webhook.js';
import { bodyOf, checkWebhook, WebhookFields } from './webhook-fields.js';

/** One step to a webhook: where to, of what. Then its secret, this once, and a test that shows what came back. */
export function NewWebhookPage() {
  const { t } = useSpeech();
  const [, go] = useLocation();
  const queries = useQueryClient();
  const [created, setCreated] = useState<Created>();
  const form = useHubForm({
    initial: {
      url: '',
      events: ['upload.completed'] as string[],
      paths: [] as string[],
      users: [] as string[],
      concurrency: '' as number | '',
      rate: '',
    },
    check: values => checkWebhook(values, t),
    send: async values => (await request<Created>('POST', '/webhooks', { body: bodyOf(values) })).data,
    done: webhook => {
      setCreated(webhook);
      void queries.invalidateQueries({ queryKey: ['/webhooks'] });
    },
  });
  if (created) return <Done created={created} />;
  return (
    <Page title={t('webhooks.add')} lead={t('webhooks.add.lead')} back={{ href: '/webhooks', label: t('nav.webhooks') }} narrow>
      <Section>
        <Form form={form} submit={t('webhooks.add')} cancel={() => go('/webhooks')}>
          <WebhookFields form={form} isNew />
        </Form>
      </Section>
    </Page>
  );
}

function Done({ created: { webhook, secret, warning } }: { readonly created: Created }) {
  const { t } = useSpeech();
  return (
    <Page title={t('webhooks.added')} back={{ href: '/webhooks', label: t('nav.webhooks') }} narrow>
      <Section title={t('webhooks.secret')} lead={t('webhooks.secret.lead')}>
        <Stack gap="sm">
          <Copyable value={secret} />
          {warning && <Note tone="warn">{warning}</Note>}
          <CodeBlock
            code={`webhook-id: <id>\nwebhook-timestamp: <seconds>\nwebhook-signature: v1,<base64 HMAC-SHA256>`}
            label={t('webhooks.headers')}
          />
        </Stack>
      </Section>
      <Section title={t('webhooks.test')} lead={t('webhooks.test.lead')}>
        <TestWebhook path={`/webhooks/${segment(webhook.id)}/test`} />
      </Section>
      <Group>
        <Button component={Link} href={`/webhooks/${segment(webhook.id)}`}>
          {t('webhooks.toDeliveries')}
        </Button>
      </Group>
    </Page>
  );
}
