import { useQueryClient } from '@tanstack/react-query';
import type { WebSession as Browser } from '../api-types.js';
import { Button, Fields, Form, Lines, PasswordInput, Section, Status, useFeedback, useHubForm, When } from '../components/index.js';
import { request, segment } from '../lib/request.js';
import { useThing } from '../lib/resources.js';
import { useSpeech } from '../lib/texts.js';
import classes from './profile.module.css';

/** Changes the reader's own password. */
export function PasswordSection() {
  const { t } = useSpeech();
  const { done } = useFeedback();
  const form = useHubForm({
    initial: { current: '', password: '', again: '' },
    check: values => ({
      ...(values.current === '' && { current: t('login.password.missing') }),
      ...(values.password === '' && { password: t('account.password.missing') }),
      ...(values.password !== values.again && { again: t('account.password.differs') }),
    }),
    send: ({ current, password }) => request('POST', '/me/password', { body: { current, password } }),
    done: () => {
      form.reset();
      done(t('account.password.done'));
    },
  });
  const shared = { visibilityToggleButtonProps: { 'aria-label': t('field.showPassword') } };
  return (
    <Section title={t('account.password')} lead={t('account.password.lead')}>
      <Form form={form} submit={t('account.password.do')}>
        <PasswordInput
          label={t('account.password.current')}
          autoComplete="current-password"
          {...shared}
          {...form.getInputProps('current')}
        />
        <Fields>
          <PasswordInput label={t('users.password.new')} autoComplete="new-password" {...shared} {...form.getInputProps('password')} />
          <PasswordInput label={t('account.password.again')} autoComplete="new-password" {...shared} {...form.getInputProps('again')} />
        </Fields>
      </Form>
    </Section>
  );
}

/** Browsers that are logged in as the reader, and the way to log each out. */
export function BrowsersSection() {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const { attempt } = useFeedback();
  const query = useThing<{ readonly items: readonly Browser[] }>('/me/sessions');
  const end = async (id: string) => {
    await request('DELETE', `/me/sessions/${segment(id)}`);
    await queries.invalidateQueries({ queryKey: ['/me'] });
  };
  return (
    <Section title={t('account.browsers')} lead={t('account.browsers.lead')}>
      <Lines>
        {query.data?.items.map(browser => (
          <li key={browser.id}>
            <div>
              <strong>{nameOfBrowser(browser.userAgent)}</strong> · <code>{browser.remoteAddress}</code>
              <br />
              <span className={classes.when}>
                {browser.current ? <Status tone="ok">{t('account.browsers.current')}</Status> : <When time={browser.lastUsedAt} />}
              </span>
            </div>
            {!browser.current && (
              <Button
                size="xs"
                variant="default"
                onClick={() => void attempt(t('account.browsers.end'), () => end(browser.id), t('common.done'))}
              >
                {t('account.browsers.end')}
              </Button>
            )}
          </li>
        ))}
      </Lines>
    </Section>
  );
}

/** 'Firefox · Linux', from what a browser says of itself. */
function nameOfBrowser(agent: string): string {
  const name = /Edg\//.test(agent) ? 'Edge' : (/(Firefox|Chrome|Safari)\//.exec(agent)?.[1] ?? agent.slice(0, 40));
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(agent)?.[1];
  return system ? `${name} · ${system.replace('Mac OS X', 'macOS')}` : name;
}
