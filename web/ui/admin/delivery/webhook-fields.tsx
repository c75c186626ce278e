import { type HubForm, MultiSelect, TagsInput, TextInput } from '../../components/index.js';
import { EVENT_TYPES } from '../../lib/model.js';
import { type Translate, useSpeech } from '../../lib/texts.js';
import { TestWebhook } from './test-webhook.js';

/** What an administrator says of a webhook. */
export type WebhookValues = Record<'url', string> & Record<'events' | 'paths' | 'users', string[]>;

/** What is missing, by field. */
export function checkWebhook(values: WebhookValues, t: Translate) {
  return {
    ...(values.url.trim() === '' && { url: t('webhooks.url.missing') }),
    ...(values.events.length === 0 && { events: t('webhooks.events.missing') }),
  };
}

/** Where to, of what, with a test before anything is saved. */
export function WebhookFields({ form, isNew }: { readonly form: HubForm<WebhookValues>; readonly isNew?: boolean }) {
  const { t } = useSpeech();
  return (
    <>
      <TextInput
        type="url"
        label={t('webhooks.url')}
        description={t('webhooks.url.help')}
        placeholder="https://example.com/hooks/files"
        autoFocus={isNew ?? false}
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
      <TagsInput label={t('webhooks.users')} description={t('webhooks.users.help')} acceptValueOnBlur {...form.getInputProps('users')} />
    </>
  );
}

/** Types of events, families of them, or all. */
function EventsField(props: {
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
