import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { Anchor, CodeBlock, Entrance, Form, Loaded, Note, PasswordInput, Stack, TextInput, useHubForm } from '../components/index.js';
import { Strength } from '../components/strength.js';
import { at } from '../lib/base.js';
import { Problem } from '../lib/problem.js';
import { request } from '../lib/request.js';
import { remember } from '../lib/session.js';
import { useSpeech } from '../lib/texts.js';

const MIN_LENGTH = 10;

/** The form that the link in the terminal leads to: it makes the owner, once. */
export function SetupPage() {
  const { t } = useSpeech();
  const query = useQuery({ queryKey: ['setup'], queryFn: async () => (await request<{ needed: boolean }>('GET', '/setup')).data });
  const [expired, setExpired] = useState(false);
  if (query.data?.needed === false) {
    return (
      <Entrance title={t('setup.none')} lead={t('setup.none.text')}>
        <Anchor component={Link} href="/">
          {t('setup.toLogin')}
        </Anchor>
      </Entrance>
    );
  }
  if (expired) {
    return (
      <Entrance title={t('setup.expired')}>
        <Stack gap="sm">
          <Note tone="warn">{t('setup.expired.text', { command: '' }).replace(/\s+\./, ':')}</Note>
          <CodeBlock code="entrepot admin create NAME" />
        </Stack>
      </Entrance>
    );
  }
  return (
    <Entrance title={t('setup.title')} lead={t('setup.lead')}>
      <Loaded query={query} lines={4}>
        {() => <OwnerForm expire={() => setExpired(true)} />}
      </Loaded>
    </Entrance>
  );
}

function OwnerForm({ expire }: { readonly expire: () => void }) {
  const { t } = useSpeech();
  const form = useHubForm({
    initial: { username: '', password: '' },
    check: values => ({
      ...(values.username.trim() === '' && { username: t('setup.username.missing') }),
      ...([...values.password].length < MIN_LENGTH && {
        password: t('setup.password.short', { count: MIN_LENGTH - [...values.password].length }),
      }),
    }),
    send: async ({ username, password }) => {
      const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
      try {
        await request('POST', '/setup', { body: { token, username: username.trim(), password } });
      } catch (error) {
        if (error instanceof Problem && isAboutToken(error)) return void expire();
        throw error;
      }
      remember('admin');
      // A new document: the link with its token stays out of what the pages hold.
      location.replace(at('/admin'));
    },
  });
  return (
    <Form form={form} submit={t('setup.done')} plain>
      <Stack gap="sm">
        <TextInput
          label={t('setup.username')}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          size="md"
          {...form.getInputProps('username')}
        />
        <div>
          <PasswordInput
            label={t('setup.password')}
            description={t('setup.password.help', { count: MIN_LENGTH })}
            autoComplete="new-password"
            size="md"
            visibilityToggleButtonProps={{ 'aria-label': t('field.showPassword') }}
            {...form.getInputProps('password')}
          />
          <Strength password={form.values.password} min={MIN_LENGTH} />
        </div>
      </Stack>
    </Form>
  );
}

function isAboutToken(problem: Problem): boolean {
  return [403, 409].includes(problem.status) || problem.errors.some(({ pointer }) => pointer === '/token');
}
