import { IconKey } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import type { ApiKey } from '../api-types.js';
import {
  Button,
  type Column,
  DataTable,
  Empty,
  Form,
  type Secret,
  Section,
  Select,
  Tag,
  TextInput,
  useAdding,
  useFeedback,
  useHubForm,
  When,
} from '../components/index.js';
import { request, segment } from '../lib/request.js';
import { useList } from '../lib/resources.js';
import { useSpeech } from '../lib/texts.js';

const SCOPES = ['read', 'write', 'metrics'] as const;
const DAYS = { none: undefined, month: 30, quarter: 90, year: 365 } as const;

/** Keys by which programs act with the reader's rights; owners see those of everybody. */
export function ApiKeys({ everybody }: { readonly everybody: boolean }) {
  const { t } = useSpeech();
  const query = useList<ApiKey>('/api-keys', undefined, everybody ? { all: 'true' } : {});
  const queries = useQueryClient();
  const { confirm } = useFeedback();
  const adding = useAdding(t('apiKeys.add'), done => <AddKey done={done} />);
  const remove = async ({ id }: ApiKey) => {
    await request('DELETE', `/api-keys/${segment(id)}`);
    await queries.invalidateQueries({ queryKey: ['/api-keys'] });
  };
  const columns: readonly Column<ApiKey>[] = [
    { key: 'name', header: t('common.name'), render: key => <strong dir="auto">{key.name}</strong> },
    { key: 'prefix', header: t('apiKeys.prefix'), render: key => <code>{key.prefix}…</code> },
    { key: 'scope', header: t('apiKeys.scope'), render: key => <Tag>{t(`apiKeys.scope.${key.scope}`)}</Tag>, width: '9rem' },
    ...(everybody ? [{ key: 'owner', header: t('apiKeys.owner'), render: (key: ApiKey) => key.owner ?? '–', width: '9rem' }] : []),
    {
      key: 'lastUsedAt',
      header: t('apiKeys.lastUsed'),
      render: key => <When time={key.lastUsedAt} fallback={t('common.never')} />,
      width: '9rem',
    },
    {
      key: 'expiresAt',
      header: t('apiKeys.expires'),
      render: key => <When time={key.expiresAt} fallback={t('common.never')} />,
      width: '9rem',
    },
    {
      key: 'do',
      header: '',
      render: key => (
        <Button
          size="xs"
          variant="default"
          onClick={() =>
            confirm(
              { title: t('apiKeys.revoke.title', { name: key.name }), text: t('apiKeys.revoke.text'), action: t('apiKeys.revoke') },
              () => remove(key),
            )
          }
        >
          {t('apiKeys.revoke')}
        </Button>
      ),
      width: '8rem',
    },
  ];
  return (
    <>
      {adding.secret}
      <Section title={t('nav.apiKeys')} lead={t('apiKeys.lead')} actions={(query.data?.total ?? 0) > 0 && adding.button} flush>
        <DataTable
          label={t('nav.apiKeys')}
          columns={columns}
          query={query}
          rowKey={key => key.id}
          empty={
            <Empty icon={<IconKey size={22} />} title={t('apiKeys.empty')} action={adding.button}>
              {t('apiKeys.empty.text')}
            </Empty>
          }
        />
      </Section>
      {adding.dialog}
    </>
  );
}

function AddKey({ done }: { readonly done: (made: Secret) => void }) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const form = useHubForm({
    initial: { name: '', scope: 'read', validity: 'quarter' },
    check: ({ name }) => (name.trim() === '' ? { name: t('apiKeys.name.missing') } : {}),
    send: async ({ name, scope, validity }) => {
      const days = DAYS[validity as keyof typeof DAYS];
      const expiresAt = days === undefined ? null : Date.now() + days * 86_400_000;
      return (await request<{ token: string }>('POST', '/api-keys', { body: { name: name.trim(), scope, expiresAt } })).data;
    },
    done: ({ token }) => {
      void queries.invalidateQueries({ queryKey: ['/api-keys'] });
      done({ title: t('apiKeys.made'), lead: t('apiKeys.made.lead'), value: token });
    },
  });
  return (
    <Form form={form} submit={t('apiKeys.add')}>
      <TextInput label={t('common.name')} description={t('apiKeys.name.help')} data-autofocus {...form.getInputProps('name')} />
      <Select
        label={t('apiKeys.scope')}
        data={SCOPES.map(value => ({ value, label: t(`apiKeys.scope.${value}`) }))}
        allowDeselect={false}
        {...form.getInputProps('scope')}
      />
      <Select
        label={t('apiKeys.expires')}
        data={(['month', 'quarter', 'year', 'none'] as const).map(value => ({ value, label: t(`apiKeys.validity.${value}`) }))}
        allowDeselect={false}
        {...form.getInputProps('validity')}
      />
    </Form>
  );
}
