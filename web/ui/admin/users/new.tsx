import { IconSparkles } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { KeyField } from '../../account/keys.js';
import type { UserCreated as Created } from '../../api-types.js';
import {
  Button,
  Form,
  Group,
  Loaded,
  Note,
  Page,
  PasswordInput,
  Section,
  SegmentedControl,
  Stack,
  TextInput,
  useFeedback,
  useHubForm,
} from '../../components/index.js';
import type { User } from '../../lib/model.js';
import { request, segment } from '../../lib/request.js';
import { useThing } from '../../lib/resources.js';
import { newPassword } from '../../lib/save.js';
import { useSpeech } from '../../lib/texts.js';
import { copyOf } from './duplicate.js';
import { HomeField } from './home-field.js';
import { LimitsFields, limitsBody, limitsOf, noLimits } from './limits.js';

/** Three fields make a user; everything else has a default, or is that of the user whom the address names, and can be changed later. */
export function NewUserPage() {
  const { t } = useSpeech();
  const template = new URLSearchParams(location.search).get('like');
  const like = useThing<User>(`/users/${segment(template ?? '')}`, {}, { enabled: template !== null });
  return (
    <Page title={t('users.add')} lead={t('users.add.lead')} back={{ href: '/users', label: t('nav.users') }} narrow>
      <Section>{template === null ? <NewUser /> : <Loaded query={like}>{user => <NewUser like={user} />}</Loaded>}</Section>
    </Page>
  );
}

function NewUser({ like }: { readonly like?: User }) {
  const { t } = useSpeech();
  const [, go] = useLocation();
  const queries = useQueryClient();
  const [proof, setProof] = useState<'password' | 'key'>('password');
  const [more, setMore] = useState(like !== undefined);
  const { warn } = useFeedback();
  const form = useHubForm({
    initial: {
      username: '',
      password: '',
      keys: '',
      home: '',
      description: like?.description ?? '',
      ...(like ? limitsOf(like) : noLimits),
    },
    fields: { '/keys': 'keys' },
    check: values => ({
      ...(values.username.trim() === '' && { username: t('users.username.missing') }),
      ...(proof === 'key' && values.keys.trim() === '' && { keys: t('users.key.missing') }),
    }),
    send: async values => {
      const body = {
        username: values.username.trim(),
        ...(proof === 'password' && values.password !== '' && { password: values.password }),
        ...(proof === 'key' && { keys: linesOf(values.keys) }),
        ...(values.home.trim() !== '' && { home: values.home.trim() }),
        ...(like && copyOf(like)),
        description: values.description,
        ...limitsBody(values),
      };
      return (await request<Created>('POST', '/users', { body })).data;
    },
    done: (created, values) => {
      void queries.invalidateQueries({ queryKey: ['/users'] });
      if (created.warning !== undefined) warn(t('users.added.but', { name: created.user.username }), created.warning);
      const password = created.password ?? (proof === 'password' ? values.password : undefined);
      // Shown once, from memory: the address and the history hold no secret.
      queries.setQueryData(['created', created.user.username], { password, made: created.password !== undefined });
      go(`/users/${segment(created.user.username)}/connect`);
    },
  });
  return (
    <Form form={form} submit={t('users.add')} cancel={() => go('/users')}>
      {like && <Note>{t('users.like', { name: like.username })}</Note>}
      <TextInput
        label={t('users.username')}
        description={t('users.username.help')}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
        {...form.getInputProps('username')}
      />
      <Stack gap="xs">
        <SegmentedControl
          aria-label={t('users.proof')}
          value={proof}
          onChange={value => setProof(value as 'password' | 'key')}
          data={[
            { value: 'password', label: t('users.proof.password') },
            { value: 'key', label: t('users.proof.key') },
          ]}
          w="fit-content"
        />
        {proof === 'password' ? (
          <Group align="flex-end" gap="xs" wrap="nowrap">
            <PasswordInput
              label={t('users.password')}
              description={t('users.password.help')}
              autoComplete="new-password"
              flex={1}
              visibilityToggleButtonProps={{ 'aria-label': t('field.showPassword') }}
              {...form.getInputProps('password')}
            />
            <Button
              variant="default"
              leftSection={<IconSparkles size={16} aria-hidden />}
              onClick={() => form.setFieldValue('password', newPassword())}
            >
              {t('field.generate')}
            </Button>
          </Group>
        ) : (
          <KeyField form={form} name={form.values.username.trim() || 'user'} />
        )}
      </Stack>
      <HomeField name={form.values.username.trim()} {...form.getInputProps('home')} />
      <div>
        <Button variant="subtle" color="gray" size="compact-sm" onClick={() => setMore(!more)} aria-expanded={more}>
          {more ? t('users.less') : t('users.more')}
        </Button>
      </div>
      {more && (
        <>
          <TextInput label={t('users.description')} {...form.getInputProps('description')} />
          <LimitsFields form={form} />
        </>
      )}
    </Form>
  );
}

function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'));
}
