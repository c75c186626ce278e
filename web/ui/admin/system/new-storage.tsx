import { useQueryClient } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import type { StorageKind as Kind } from '../../api-types.js';
import { Form, Loaded, Page, Section, Select, TextInput, useFeedback, useHubForm } from '../../components/index.js';
import { request } from '../../lib/request.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { OptionFields, TestStorage, useStorageOptions } from './storage-form.js';

/** A new storage: its form is drawn from the schema of its kind, an extension's as well. */
export function NewStoragePage() {
  const { t } = useSpeech();
  const query = useThing<{ readonly items: readonly Kind[] }>('/storage-kinds');
  return (
    <Page title={t('storages.add')} lead={t('storages.add.lead')} back={{ href: '/storages', label: t('nav.storages') }} narrow>
      <Section>
        <Loaded query={query}>{({ items }) => <StorageForm kinds={items} />}</Loaded>
      </Section>
    </Page>
  );
}

function StorageForm({ kinds }: { readonly kinds: readonly Kind[] }) {
  const { t } = useSpeech();
  const [, go] = useLocation();
  const queries = useQueryClient();
  const { done } = useFeedback();
  const options = useStorageOptions();
  const given = Object.fromEntries(Object.entries(options.values).filter(([, value]) => value !== '' && value !== undefined));
  const form = useHubForm({
    initial: { name: '', kind: kinds[0]?.name ?? 'local' },
    check: ({ name }) => (name.trim() === '' ? { name: t('storages.name.missing') } : {}),
    send: ({ name, kind }) => options.sending(() => request('POST', '/storages', { body: { name: name.trim(), kind, options: given } })),
    done: (_result, { name }) => {
      done(t('storages.done', { name }));
      void queries.invalidateQueries({ queryKey: ['/storages'] });
      go('/storages');
    },
  });
  const { kind } = form.values;
  return (
    <Form
      form={form}
      submit={t('storages.add')}
      cancel={() => go('/storages')}
      extra={<TestStorage key={JSON.stringify([kind, given])} path="/storages/test" body={{ kind, options: given }} />}
    >
      <TextInput
        label={t('common.name')}
        description={t('storages.name.help')}
        autoFocus
        spellCheck={false}
        {...form.getInputProps('name')}
      />
      <Select
        label={t('storages.kind')}
        data={kinds.map(({ name }) => name)}
        allowDeselect={false}
        value={kind}
        onChange={chosen => {
          form.setFieldValue('kind', chosen ?? '');
          options.reset();
        }}
      />
      <OptionFields schema={kinds.find(({ name }) => name === kind)?.schema ?? {}} options={options} />
    </Form>
  );
}
