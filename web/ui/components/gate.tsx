import { Anchor, Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { SsoProvider as Provider } from '../api-types.js';
import { at } from '../lib/base.js';
import { Problem } from '../lib/problem.js';
import { request } from '../lib/request.js';
import { type Scope, useSession } from '../lib/session.js';
import { useSpeech } from '../lib/texts.js';
import { Entrance } from './entrance.js';
import { Form, useHubForm } from './form.js';
import { Note, Pending, ProblemPanel } from './states.js';

/** Lets in who is logged in, and shows everybody else the login. */
export function Gate({ scope, children }: { readonly scope: Scope; readonly children: ReactNode }) {
  const { identity, error, refresh } = useSession();
  const { t } = useSpeech();
  if (identity) return children;
  if (identity === null) return <Login scope={scope} />;
  if (error) {
    return (
      <Entrance title={t('login.unreachable')}>
        <ProblemPanel error={error} retry={refresh} />
      </Entrance>
    );
  }
  return <Pending />;
}

/** Name and password; then, for who has a second factor, its code. */
function Login({ scope }: { readonly scope: Scope }) {
  const { t } = useSpeech();
  const { logIn } = useSession();
  const [asked, setAsked] = useState(false);
  const form = useHubForm({
    initial: { username: '', password: '', code: '' },
    check: values => ({
      ...(values.username.trim() === '' && { username: t('login.username.missing') }),
      ...(values.password === '' && { password: t('login.password.missing') }),
      ...(asked && values.code.trim() === '' && { code: t('login.code.missing') }),
    }),
    send: async ({ username, password, code }) => {
      try {
        await logIn({ username: username.trim(), password, ...(code.trim() && { code: code.trim() }) });
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'second-factor-required' || asked) throw error;
        setAsked(true);
      }
    },
  });
  const failure = new URLSearchParams(location.search).get('sso');
  const other = scope === 'admin' ? { href: at('/'), label: t('login.toFiles') } : { href: at('/admin'), label: t('login.toAdmin') };
  return (
    <Entrance
      title={t(`login.title.${scope}`)}
      lead={t(asked ? 'login.code.lead' : `login.lead.${scope}`)}
      footer={<Anchor href={other.href}>{other.label}</Anchor>}
    >
      {failure && !asked && <Note tone="warn">{t('login.sso.failed', { code: failure })}</Note>}
      <Form form={form} submit={t('login.submit')} plain>
        <Stack gap="sm">
          {!asked && (
            <>
              <TextInput
                label={t('login.username')}
                autoComplete="username"
                autoCapitalize="none"
                spellCheck={false}
                data-autofocus
                autoFocus
                size="md"
                {...form.getInputProps('username')}
              />
              <PasswordInput
                label={t('login.password')}
                autoComplete="current-password"
                size="md"
                visibilityToggleButtonProps={{ 'aria-label': t('field.showPassword') }}
                {...form.getInputProps('password')}
              />
            </>
          )}
          {asked && (
            <TextInput
              label={t('login.code')}
              description={t('login.code.help')}
              autoComplete="one-time-code"
              inputMode="text"
              autoFocus
              size="md"
              {...form.getInputProps('code')}
            />
          )}
        </Stack>
      </Form>
      {!asked && <Providers scope={scope} />}
    </Entrance>
  );
}

/** Buttons of the providers of single sign-on, where there are any. */
function Providers({ scope }: { readonly scope: Scope }) {
  const { t } = useSpeech();
  const query = useQuery({
    queryKey: ['/sso'],
    queryFn: async () => (await request<{ readonly items: readonly Provider[] }>('GET', '/sso')).data,
  });
  const next = at(scope === 'admin' ? '/admin' : '/');
  const providers = query.data?.items ?? [];
  if (providers.length === 0) return null;
  return (
    <Stack gap="xs" mt="md">
      {providers.map(({ name, label, start }) => (
        <Button key={name} component="a" href={`${start}?${new URLSearchParams({ scope, next })}`} variant="default" fullWidth size="md">
          {t('login.sso', { name: label })}
        </Button>
      ))}
    </Stack>
  );
}
