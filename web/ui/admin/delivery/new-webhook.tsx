import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { WebhookCreated as Created } from '../../api-types.js';
import {
  Button,
  CodeBlock,
  Copyable,
  Form,
  Group,
  MultiSelect,
  Note,
  Page,
  Section,
  Stack,
  TagsInput,
  TextInput,
  useHubForm,
} from '../../components/index.js';
import { EVENT_TYPES } from '../../lib/model.js';
import { request, segment } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';
import { TestWebhook } from './test-webhook.js';

/** One step to a webhook: where to, of what. Then its secret, this once, and a test that shows what came back. */
export function NewWebhookPage() {
  const { t } = useSpeech();
  const [, go] = useLocation();
  const queries = useQueryClient();
  const [created, setCreated] = useState<Created>();
  const form = useHubForm({
    initial: { url: '', events: ['upload.completed'] as string[], paths: [] as string[], users: [] as string[] },
    check: values => ({
      ...(values.url.trim() === '' && { url: t('webhooks.url.missing') }),
      ...(values.events.length === 0 && { events: t('webhooks.events.missing') }),
    }),
    send: async values => (await request<Created>('POST', '/webhooks', { body: { ...values, url: values.url.trim() } })).data,
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
          <TextInput
            type="url"
            label={t('webhooks.url')}
            description={t('webhooks.url.help')}
            placeholder="https://example.com/hooks/files"
            autoFocus
            spellCheck={false}
            {...form.getInputProps('url')}
          />
          <TestWebhook path="/webhooks/test" body={{ url: form.values.url.trim() }} disabled={form.values.url.trim() === ''} />
          <EventsField {...form.getInputProps('events')} />
          <TagsInput
            label={t('webhooks.paths')}
            description={t('webhooks.paths.help')}
            placeholder="/incoming/**"
            acceptValueOnBlur
            {...form.getInputProps('paths')}
          />
          <TagsInput
            label={t('webhooks.users')}
            description={t('webhooks.users.help')}
            acceptValueOnBlur
            {...form.getInputProps('users')}
          />
        </Form>
      </Section>
    </Page>
  );
}

/** Types of events, families of them, or all. */
export function EventsField(props: {
  readonly value?: string[];
  readonly onChange?: (value: string[]) => void;
  readonly error?: React.ReactNode;
}) {
  const { t } = useSpeech();
  const families = [...new Set(EVENT_TYPES.map(type => `${type.slice(0, type.indexOf('.'))}.*`))];
  return (
    <MultiSelect
      label={t('webhooks.events')}
      description={t('webhooks.events.help')}
      searchable
      hidePickedOptions
      data={[
        { group: t('webhooks.events.single'), items: EVENT_TYPES.filter(type => type !== 'webhook.test') },
        { group: t('webhooks.events.families'), items: ['*', ...families.filter(family => family !== 'webhook.*')] },
      ]}
      {...props}
    />
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
