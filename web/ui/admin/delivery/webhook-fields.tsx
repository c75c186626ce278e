import { Fields, type HubForm, MultiSelect, NumberInput, TagsInput, TextInput } from '../../components/index.js';
import { EVENT_TYPES } from '../../lib/model.js';
import { type Translate, useSpeech } from '../../lib/texts.js';
import { TestWebhook } from './test-webhook.js';

/** What an administrator says of a webhook. */
export type WebhookValues = Record<'url' | 'rate', string> &
  Record<'events' | 'paths' | 'users', string[]> & { readonly concurrency: number | '' };

const RATE = /^[1-9]\d{0,5}\/[sm]$/;

/** As the hub takes them: what is empty has no limit. */
export function bodyOf({ url, rate, concurrency, ...others }: WebhookValues) {
  return { ...others, url: url.trim(), rate: rate.trim() || null, concurrency: concurrency || null };
}

/** What is missing, by field. */
export function checkWebhook(values: WebhookValues, t: Translate) {
  return {
    ...(values.url.trim() === '' && { url: t('webhooks.url.missing') }),
    ...(values.rate.trim() !== '' && !RATE.test(values.rate.trim()) && { rate: t('webhooks.limit.rate.wrong') }),
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
      <Fields>
        <NumberInput
          label={t('webhooks.limit.concurrency')}
          description={t('webhooks.limit.help')}
          min={1}
          max={1_000}
          allowDecimal={false}
          {...(form.getInputProps('concurrency') as object)}
        />
        <TextInput
          label={t('webhooks.limit.rate')}
          description={t('webhooks.limit.rate.help')}
          placeholder="10/s"
          spellCheck={false}
          {...(form.getInputProps('rate') as object)}
        />
      </Fields>
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
