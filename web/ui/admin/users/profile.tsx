import { useQueryClient } from '@tanstack/react-query';
import { Facts, Form, PasswordInput, Section, Stack, TextInput, useFeedback, useHubForm, When } from '../../components/index.js';
import type { User } from '../../lib/model.js';
import { type Answer, request, segment } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import { HomeField } from './home-field.js';
import { LimitsFields, limitsBody, limitsOf } from './limits.js';
import { homeOf } from './list.js';
import { ProfileFacts } from './profile-facts.js';

/** What a user is and may be limited by; a form for who may change it. */
export function ProfileTab({ answer }: { readonly answer: Answer<User> }) {
  const { t } = useSpeech();
  const may = useMay();
  const user = answer.data;
  return (
    <>
      {may('admin') ? <ProfileForm answer={answer} /> : <ProfileFacts user={user} />}
      <Section title={t('users.facts')}>
        <Facts
          facts={[
            [t('users.created'), <When key="created" time={user.createdAt} />],
            [t('users.lastLogin'), <When key="login" time={user.lastLoginAt} fallback={t('common.never')} />],
            [t('users.secondFactor'), user.secondFactor ? t('common.yes') : t('common.no')],
          ]}
        />
      </Section>
    </>
  );
}

function ProfileForm({ answer: { data: user, etag } }: { readonly answer: Answer<User> }) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const { done } = useFeedback();
  const home = homeOf(user);
  const form = useHubForm({
    initial: { password: '', home, description: user.description, ...limitsOf(user) },
    send: async values => {
      const body = {
        ...(values.password !== '' && { password: values.password }),
        ...(values.home !== home && { home: values.home || `data:/${user.username}` }),
        description: values.description,
        ...limitsBody(values),
      };
      await request('PATCH', `/users/${segment(user.username)}`, { body, etag });
    },
    done: () => {
      done(t('common.saved'));
      void queries.invalidateQueries({ queryKey: ['/users'] });
    },
  });
  return (
    <Section>
      <Form form={form} submit={t('common.save')}>
        <TextInput label={t('users.description')} {...form.getInputProps('description')} />
        <PasswordInput
          label={t('users.password.new')}
          description={t(user.hasPassword ? 'users.password.keep' : 'users.password.none')}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': t('field.showPassword') }}
          {...form.getInputProps('password')}
        />
        <HomeField name={user.username} {...form.getInputProps('home')} />
        <Stack gap="md">
          <LimitsFields form={form} />
        </Stack>
      </Form>
    </Section>
  );
}
