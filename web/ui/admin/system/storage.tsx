import { useQueryClient } from '@tanstack/react-query';
import { useLocation, useParams } from 'wouter';
import type { StorageKind as Kind } from '../../api-types.js';
import { Button, Facts, Followed, Form, Group, Loaded, Page, Section, Tag, useFeedback, useHubForm } from '../../components/index.js';
import type { ObjectSchema } from '../../components/schema-form.js';
import type { Storage } from '../../lib/model.js';
import { type Answer, request, segment } from '../../lib/request.js';
import { useThing, useVersioned } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import { StorageBrowser } from './storage-browser.js';
import { OptionFields, TestStorage, useStorageOptions } from './storage-form.js';

/** The value of a secret that is set, as the API shows it. */
const HIDDEN = '(hidden)';

/** One storage: what is in it, and its options, which can be changed. */
export function StoragePage() {
  const { t } = useSpeech();
  const may = useMay();
  const { name: raw = '' } = useParams<{ name: string }>();
  const name = decodeURIComponent(raw);
  const path = `/storages/${segment(name)}`;
  const query = useVersioned<Storage>(path);
  return (
    <Page title={name} back={{ href: '/storages', label: t('nav.storages') }} mark={query.data && <Tag>{query.data.data.kind}</Tag>} narrow>
      <Loaded query={query}>
        {() => (
          <>
            {may('admin') && (
              <Section title={t('storages.files')} lead={t('storages.files.lead')} flush>
                <StorageBrowser storage={name} />
              </Section>
            )}
            <Followed query={query}>{answer => <Options path={path} answer={answer} />}</Followed>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Options({ path, answer }: { readonly path: string; readonly answer: Answer<Storage> }) {
  const { t } = useSpeech();
  const may = useMay();
  const { kind, discovered, options } = answer.data;
  const kinds = useThing<{ readonly items: readonly Kind[] }>('/storage-kinds');
  const changeable = may('admin') && !discovered;
  return (
    <Section title={t('storages.options')} lead={t(discovered ? 'storages.options.discovered' : 'storages.options.lead')}>
      {changeable ? (
        <Loaded query={kinds}>
          {({ items }) => <OptionsForm path={path} answer={answer} schema={items.find(one => one.name === kind)?.schema ?? {}} />}
        </Loaded>
      ) : (
        <>
          <Facts facts={Object.entries(options).map(([option, value]) => [option, <code key={option}>{String(value)}</code>] as const)} />
          {may('operator') && (
            <Group mt="md">
              <TestStorage path={`${path}/test`} />
            </Group>
          )}
        </>
      )}
    </Section>
  );
}

function OptionsForm({
  path,
  answer: { data: storage, etag },
  schema,
}: {
  readonly path: string;
  readonly answer: Answer<Storage>;
  readonly schema: ObjectSchema;
}) {
  const { t } = useSpeech();
  const [, go] = useLocation();
  const queries = useQueryClient();
  const { confirm, done } = useFeedback();
  const before = Object.fromEntries(Object.entries(storage.options).filter(([, value]) => value !== HIDDEN));
  const options = useStorageOptions(before);
  // What is emptied is taken away; a secret that is left empty stays.
  const changed = Object.fromEntries(
    Object.entries(options.values)
      .filter(([name, value]) => value !== before[name])
      .filter(([name, value]) => value !== '' || before[name] !== undefined)
      .map(([name, value]) => [name, value === '' ? null : value]),
  );
  const refresh = () => queries.invalidateQueries({ queryKey: ['/storages'] });
  const form = useHubForm({
    initial: {},
    touched: Object.keys(changed).length > 0,
    send: () => options.sending(() => request('PATCH', path, { body: { options: changed }, etag })),
    done: () => {
      done(t('common.saved'));
      void refresh();
    },
  });
  const remove = async () => {
    await request('DELETE', path);
    go('/storages');
    await refresh();
  };
  return (
    <Form
      form={form}
      submit={t('common.save')}
      extra={
        <TestStorage path={`${path}/test`}>
          {storage.name !== 'data' && (
            <Button
              variant="default"
              onClick={() =>
                confirm(
                  {
                    title: t('storages.remove.title', { name: storage.name }),
                    text: t('storages.remove.text'),
                    action: t('common.remove'),
                  },
                  remove,
                )
              }
            >
              {t('common.remove')}
            </Button>
          )}
        </TestStorage>
      }
    >
      <OptionFields schema={withKeptSecrets(schema, storage.options, t('storages.secret.kept'))} options={options} />
    </Form>
  );
}

/** Says of a secret that is set that it stays when nothing is typed. */
function withKeptSecrets(schema: ObjectSchema, options: Storage['options'], kept: string): ObjectSchema {
  const required = schema.required?.filter(name => options[name] !== HIDDEN);
  const properties = Object.entries(schema.properties ?? {}).map(([name, option]) => [
    name,
    options[name] === HIDDEN ? { ...option, description: [option.description, kept].filter(Boolean).join(' ') } : option,
  ]);
  return { ...schema, ...(required && { required }), properties: Object.fromEntries(properties) };
}
