import { useQueryClient } from '@tanstack/react-query';
import { KeyField, KeyList } from '../../account/keys.js';
import { Form, Section, useFeedback, useHubForm } from '../../components/index.js';
import type { PublicKey, User } from '../../lib/model.js';
import { request, segment } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';

/** The public keys of a user. */
export function KeysTab({ user }: { readonly user: User }) {
  const { t } = useSpeech();
  const may = useMay();
  const queries = useQueryClient();
  const { confirm, done } = useFeedback();
  const path = `/users/${segment(user.username)}/keys`;
  const refresh = () => queries.invalidateQueries({ queryKey: ['/users'] });
  const form = useHubForm({
    initial: { keys: '' },
    fields: { '/key': 'keys' },
    check: values => (values.keys.trim() === '' ? { keys: t('users.key.missing') } : {}),
    send: values => request('POST', path, { body: { key: values.keys.trim() } }),
    done: () => {
      done(t('users.key.added'));
      form.reset();
      void refresh();
    },
  });
  const remove = (key: PublicKey) =>
    confirm(
      {
        title: t('users.key.remove', { name: key.comment || key.fingerprint }),
        text: t('users.key.remove.text', { name: user.username }),
        action: t('common.remove'),
      },
      async () => {
        await request('DELETE', `${path}/${segment(key.fingerprint)}`);
        await refresh();
      },
    );
  return (
    <>
      <Section title={t('users.keys.of', { count: user.keys.length })}>
        <KeyList keys={user.keys} remove={may('admin') ? remove : undefined} empty={t('users.keys.empty')} />
      </Section>
      {may('admin') && (
        <Section title={t('users.key.add')}>
          <Form form={form} submit={t('users.key.add')}>
            <KeyField form={form} name={user.username} />
          </Form>
        </Section>
      )}
    </>
  );
}
