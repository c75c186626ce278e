import { useQueryClient } from '@tanstack/react-query';
import { ApiKeys } from '../../account/api-keys.js';
import { KeyField, KeyList } from '../../account/keys.js';
import { BrowsersSection, PasswordSection } from '../../account/profile.js';
import { SecondFactorSection } from '../../account/second-factor.js';
import { Form, Loaded, Page, Section, useFeedback, useHubForm } from '../../components/index.js';
import type { PublicKey } from '../../lib/model.js';
import { request, segment } from '../../lib/request.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';

interface Profile {
  readonly username: string;
  readonly hasPassword: boolean;
  readonly keys: readonly PublicKey[];
}

/** The reader's own account: password, keys, browsers, keys of programs. */
export function AccountPage() {
  const { t } = useSpeech();
  const query = useThing<Profile>('/me');
  return (
    <Page title={t('nav.profile')} back={{ href: '/', label: t('nav.files') }} narrow>
      <Loaded query={query}>
        {profile => (
          <>
            {profile.hasPassword && <PasswordSection />}
            {profile.hasPassword && <SecondFactorSection />}
            <Keys keys={profile.keys} name={profile.username} />
            <BrowsersSection />
            <ApiKeys everybody={false} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Keys({ keys, name }: { readonly keys: readonly PublicKey[]; readonly name: string }) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const { confirm, done } = useFeedback();
  const refresh = () => queries.invalidateQueries({ queryKey: ['/me'] });
  const form = useHubForm({
    initial: { keys: '' },
    fields: { '/key': 'keys' },
    check: values => (values.keys.trim() === '' ? { keys: t('users.key.missing') } : {}),
    send: values => request('POST', '/me/keys', { body: { key: values.keys.trim() } }),
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
        text: t('account.key.remove.text'),
        action: t('common.remove'),
      },
      async () => {
        await request('DELETE', `/me/keys/${segment(key.fingerprint)}`);
        await refresh();
      },
    );
  return (
    <Section title={t('account.keys')} lead={t('account.keys.lead')}>
      <KeyList keys={keys} remove={remove} empty={t('account.keys.empty')} />
      <div style={{ height: '1rem' }} />
      <Form form={form} submit={t('users.key.add')}>
        <KeyField form={form} name={name} />
      </Form>
    </Section>
  );
}
