import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useLocation } from 'wouter';
import type { StorageKind as Kind } from '../../api-types.js';
import { Button, Form, Loaded, Page, Section, Select, Status, TextInput, useFeedback, useHubForm } from '../../components/index.js';
import { SchemaFields } from '../../components/schema-form.js';
import { Problem } from '../../lib/problem.js';
import { request } from '../../lib/request.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';

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
  const { t, format } = useSpeech();
  const [, go] = useLocation();
  const queries = useQueryClient();
  const { done, failed } = useFeedback();
  const [options, setOptions] = useState<Readonly<Record<string, unknown>>>({});
  const [errors, setErrors] = useState<Readonly<Record<string, string>>>({});
  const [outcome, setOutcome] = useState<{ readonly ok: boolean; readonly message: string; readonly durationMs: number }>();
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== '' && value !== undefined));
  const form = useHubForm({
    initial: { name: '', kind: kinds[0]?.name ?? 'local' },
    check: ({ name }) => (name.trim() === '' ? { name: t('storages.name.missing') } : {}),
    send: async ({ name, kind }) => {
      setErrors({});
      try {
        return await request('POST', '/storages', { body: { name: name.trim(), kind, options: given } });
      } catch (error) {
        throw error instanceof Problem ? withoutOptions(error, setErrors) : error;
      }
    },
    done: (_result, { name }) => {
      done(t('storages.done', { name }));
      void queries.invalidateQueries({ queryKey: ['/storages'] });
      go('/storages');
    },
  });
  const schema = kinds.find(({ name }) => name === form.values.kind)?.schema ?? {};
  const test = async () => {
    try {
      setOutcome((await request<typeof outcome>('POST', '/storages/test', { body: { kind: form.values.kind, options: given } })).data);
    } catch (error) {
      failed(t('storages.test'), error);
    }
  };
  return (
    <Form
      form={form}
      submit={t('storages.add')}
      cancel={() => go('/storages')}
      extra={
        <>
          <Button variant="default" onClick={() => void test()}>
            {t('storages.test')}
          </Button>
          <span aria-live="polite">
            {outcome && (
              <Status tone={outcome.ok ? 'ok' : 'bad'}>
                {outcome.ok ? t('storages.works', { time: format.duration(outcome.durationMs) }) : outcome.message}
              </Status>
            )}
          </span>
        </>
      }
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
        value={form.values.kind}
        onChange={kind => {
          form.setFieldValue('kind', kind ?? '');
          setOptions({});
          setOutcome(undefined);
        }}
      />
      <SchemaFields
        schema={schema}
        values={options}
        errors={errors}
        change={(name, value) => {
          setOptions({ ...options, [name]: value });
          setOutcome(undefined);
        }}
      />
    </Form>
  );
}

/** Shows what is about an option at its field, and leaves the rest. */
function withoutOptions(problem: Problem, show: (errors: Readonly<Record<string, string>>) => void): Problem {
  const own = problem.errors.map(error => ({ ...error, option: /^\/options\/([^/]+)/.exec(error.pointer)?.[1] }));
  show(Object.fromEntries(own.flatMap(({ option, detail }) => (option === undefined ? [] : [[option, detail]]))));
  return problem;
}
