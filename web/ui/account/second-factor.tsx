import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { RecoveryCodes as Codes, SecondFactorSecret as Secret, SecondFactorState as State } from '../api-types.js';
import {
  Button,
  CodeBlock,
  Copyable,
  Fields,
  Form,
  Loaded,
  Note,
  PasswordInput,
  Section,
  Stack,
  Status,
  TextInput,
  useFeedback,
  useHubForm,
} from '../components/index.js';
import { request } from '../lib/request.js';
import { useThing } from '../lib/resources.js';
import { useSpeech } from '../lib/texts.js';

/** Has the reader asked for a code after the password, or no longer. */
export function SecondFactorSection() {
  const { t } = useSpeech();
  const query = useThing<State>('/me/second-factor');
  const [secret, setSecret] = useState<Secret>();
  const [codes, setCodes] = useState<readonly string[]>();
  const finish = (made?: Codes) => {
    setSecret(undefined);
    setCodes(made?.recoveryCodes);
    void query.refetch();
  };
  return (
    <Section title={t('users.secondFactor')} lead={t('factor.lead')}>
      <Loaded query={query} lines={2}>
        {({ on, recoveryLeft }) => (
          <Stack gap="md">
            {on && (
              <Status tone="ok">
                {t('factor.on')} · {t('factor.left', { count: recoveryLeft })}
              </Status>
            )}
            {codes && (
              <Note tone="warn" title={t('factor.codes')}>
                <CodeBlock code={codes.join('\n')} label={t('factor.codes.lead')} />
              </Note>
            )}
            {on ? <Remove done={finish} /> : secret ? <Confirm secret={secret} done={finish} /> : <Begin done={setSecret} />}
          </Stack>
        )}
      </Loaded>
    </Section>
  );
}

function Begin({ done }: { readonly done: (secret: Secret) => void }) {
  const { t } = useSpeech();
  const form = useHubForm({
    initial: { password: '' },
    check: ({ password }) => (password === '' ? { password: t('login.password.missing') } : {}),
    send: async ({ password }) => (await request<Secret>('POST', '/me/second-factor', { body: { password } })).data,
    done,
  });
  return (
    <Form form={form} submit={t('factor.begin')}>
      <Secrecy form={form} />
    </Form>
  );
}

function Confirm({ secret, done }: { readonly secret: Secret; readonly done: (codes: Codes) => void }) {
  const { t } = useSpeech();
  const form = useHubForm({
    initial: { code: '' },
    check: ({ code }) => (code.trim() === '' ? { code: t('login.code.missing') } : {}),
    send: async ({ code }) => (await request<Codes>('POST', '/me/second-factor/confirm', { body: { code: code.trim() } })).data,
    done,
  });
  return (
    <Form form={form} submit={t('factor.confirm')}>
      <Stack gap="xs" align="flex-start">
        <span>{t('factor.scan')}</span>
        <img src={`data:image/svg+xml,${encodeURIComponent(secret.picture)}`} alt={t('factor.picture')} width={180} height={180} />
        <Copyable value={secret.secret} />
      </Stack>
      <TextInput label={t('login.code')} inputMode="numeric" autoComplete="one-time-code" {...form.getInputProps('code')} />
    </Form>
  );
}

function Remove({ done }: { readonly done: () => void }) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const { done: told } = useFeedback();
  const [open, setOpen] = useState(false);
  const form = useHubForm({
    initial: { password: '', code: '' },
    check: ({ password, code }) => ({
      ...(password === '' && { password: t('login.password.missing') }),
      ...(code.trim() === '' && { code: t('login.code.missing') }),
    }),
    send: ({ password, code }) => request('POST', '/me/second-factor/remove', { body: { password, code: code.trim() } }),
    done: () => {
      told(t('common.done'));
      void queries.invalidateQueries({ queryKey: ['/me'] });
      done();
    },
  });
  if (!open) {
    return (
      <div>
        <Button variant="default" onClick={() => setOpen(true)}>
          {t('factor.remove')}
        </Button>
      </div>
    );
  }
  return (
    <Form form={form} submit={t('factor.remove')} cancel={() => setOpen(false)}>
      <Fields>
        <Secrecy form={form} />
        <TextInput label={t('login.code')} autoComplete="one-time-code" {...form.getInputProps('code')} />
      </Fields>
    </Form>
  );
}

function Secrecy({ form }: { readonly form: { getInputProps(field: 'password'): object } }) {
  const { t } = useSpeech();
  return (
    <PasswordInput
      label={t('account.password.current')}
      autoComplete="current-password"
      visibilityToggleButtonProps={{ 'aria-label': t('field.showPassword') }}
      {...form.getInputProps('password')}
    />
  );
}
