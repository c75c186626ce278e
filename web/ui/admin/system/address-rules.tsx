import { IconWall } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import type { AddressRule } from '../../api-types.js';
import {
  Button,
  type Column,
  DataTable,
  Empty,
  Fields,
  Form,
  Section,
  Select,
  Status,
  TextInput,
  useFeedback,
  useHubForm,
  When,
} from '../../components/index.js';
import { request, segment } from '../../lib/request.js';
import { useList } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';

/** Addresses that are always let in, or never. */
export function AddressRules() {
  const { t } = useSpeech();
  const may = useMay();
  const queries = useQueryClient();
  const { confirm } = useFeedback();
  const query = useList<AddressRule>('/address-rules');
  const remove = async ({ id }: AddressRule) => {
    await request('DELETE', `/address-rules/${segment(id)}`);
    await queries.invalidateQueries({ queryKey: ['/address-rules'] });
  };
  const columns: readonly Column<AddressRule>[] = [
    { key: 'range', header: t('rules.range'), render: rule => <code>{rule.range}</code>, width: '14rem' },
    {
      key: 'action',
      header: t('rules.action'),
      render: rule => <Status tone={rule.action === 'allow' ? 'ok' : 'bad'}>{t(`rules.action.${rule.action}`)}</Status>,
      width: '11rem',
    },
    { key: 'comment', header: t('rules.comment'), render: rule => <span dir="auto">{rule.comment}</span> },
    { key: 'createdAt', header: t('bans.since'), render: rule => <When time={rule.createdAt} />, width: '9rem' },
    {
      key: 'do',
      header: '',
      render: rule =>
        may('admin') && (
          <Button
            size="xs"
            variant="default"
            onClick={() =>
              confirm({ title: t('rules.remove', { range: rule.range }), text: t('rules.remove.text'), action: t('common.remove') }, () =>
                remove(rule),
              )
            }
          >
            {t('common.remove')}
          </Button>
        ),
      width: '8rem',
    },
  ];
  return (
    <>
      <Section title={t('rules.title')} lead={t('rules.lead')} flush>
        <DataTable
          label={t('rules.title')}
          columns={columns}
          query={query}
          rowKey={rule => rule.id}
          empty={
            <Empty icon={<IconWall size={22} />} title={t('rules.empty')}>
              {t('rules.empty.text')}
            </Empty>
          }
        />
      </Section>
      {may('admin') && <AddRule />}
    </>
  );
}

function AddRule() {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const form = useHubForm({
    initial: { range: '', action: 'deny', comment: '' },
    check: ({ range }) => (range.trim() === '' ? { range: t('rules.range.missing') } : {}),
    send: ({ range, action, comment }) => request('POST', '/address-rules', { body: { range: range.trim(), action, comment } }),
    done: () => {
      form.reset();
      void queries.invalidateQueries({ queryKey: ['/address-rules'] });
    },
  });
  return (
    <Section title={t('rules.add')}>
      <Form form={form} submit={t('rules.add')}>
        <Fields>
          <TextInput label={t('rules.range')} placeholder="203.0.113.0/24" spellCheck={false} {...form.getInputProps('range')} />
          <Select
            label={t('rules.action')}
            data={(['deny', 'allow'] as const).map(value => ({ value, label: t(`rules.action.${value}`) }))}
            allowDeselect={false}
            {...form.getInputProps('action')}
          />
          <TextInput label={t('rules.comment')} {...form.getInputProps('comment')} />
        </Fields>
      </Form>
    </Section>
  );
}
