import { Anchor, PasswordInput, Stack, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { at } from '../lib/base.js';
import { Problem } from '../lib/problem.js';
import { type Scope, useSession } from '../lib/session.js';
import { useSpeech } from '../lib/texts.js';
import { Entrance } from './entrance.js';
import { Form, useHubForm } from './form.js';
import { Pending, ProblemPanel } from './states.js';

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
  const other = scope === 'admin' ? { href: at('/'), label: t('login.toFiles') } : { href: at('/admin'), label: t('login.toAdmin') };
  return (
    <Entrance
      title={t(`login.title.${scope}`)}
      lead={t(asked ? 'login.code.lead' : `login.lead.${scope}`)}
      footer={<Anchor href={other.href}>{other.label}</Anchor>}
    >
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
    </Entrance>
  );
}
