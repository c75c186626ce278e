import { IconUserShield } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import type { Admin } from '../api-types.js';
import {
  Button,
  type Column,
  DataTable,
  Empty,
  Form,
  Page,
  PasswordInput,
  type Secret,
  Select,
  Status,
  TextInput,
  useAdding,
  useFeedback,
  useHubForm,
  When,
} from '../components/index.js';
import { ROLES, type Role } from '../lib/model.js';
import { request, segment } from '../lib/request.js';
import { useList } from '../lib/resources.js';
import { useIdentity } from '../lib/session.js';
import { type Translate, useSpeech } from '../lib/texts.js';
import { useMay } from './may.js';

/** Who administers the hub, in which role. */
export function AdminsPage() {
  const { t } = useSpeech();
  const may = useMay();
  const query = useList<Admin>('/admins');
  const adding = useAdding(t('admins.add'), done => <AddAdmin done={done} />);
  const columns: readonly Column<Admin>[] = [
    { key: 'username', header: t('common.name'), render: admin => <strong dir="auto">{admin.username}</strong> },
    { key: 'role', header: t('admins.role'), render: admin => t(`role.${admin.role}`), width: '10rem' },
    {
      key: 'status',
      header: t('common.status'),
      render: admin => (
        <Status tone={admin.status === 'active' ? 'ok' : 'idle'}>
          {t(admin.status === 'active' ? 'common.enabled' : 'common.disabled')}
        </Status>
      ),
      width: '9rem',
    },
    {
      key: 'secondFactor',
      header: t('users.secondFactor'),
      render: admin => t(admin.secondFactor ? 'common.yes' : 'common.no'),
      width: '8rem',
    },
    {
      key: 'lastLoginAt',
      header: t('users.lastLogin'),
      render: admin => <When time={admin.lastLoginAt} fallback={t('common.never')} />,
      width: '10rem',
    },
    { key: 'do', header: '', render: admin => <Deeds admin={admin} made={adding.show} />, width: '27rem' },
  ];
  return (
    <Page title={t('nav.admins')} lead={t('admins.lead')} actions={may('owner') && adding.button}>
      {adding.secret}
      <DataTable
        label={t('nav.admins')}
        columns={columns}
        query={query}
        rowKey={admin => admin.username}
        empty={<Empty icon={<IconUserShield size={22} />} title={t('table.nothing')} />}
      />
      {adding.dialog}
    </Page>
  );
}

/** A password that was made, to be shown once. */
function passwordOf(t: Translate, name: string, password: string): Secret {
  return { title: t('admins.password', { name }), lead: t('connect.secret.made'), value: password };
}

function AddAdmin({ done }: { readonly done: (made: Secret | undefined) => void }) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const form = useHubForm({
    initial: { username: '', role: 'viewer', password: '' },
    check: ({ username }) => (username.trim() === '' ? { username: t('users.username.missing') } : {}),
    send: async ({ username, role, password }) => {
      const body = { username: username.trim(), role, ...(password !== '' && { password }) };
      return (await request<{ password?: string }>('POST', '/admins', { body })).data;
    },
    done: ({ password }, { username }) => {
      void queries.invalidateQueries({ queryKey: ['/admins'] });
      done(password === undefined ? undefined : passwordOf(t, username, password));
    },
  });
  return (
    <Form form={form} submit={t('admins.add')}>
      <TextInput label={t('common.name')} data-autofocus autoComplete="off" spellCheck={false} {...form.getInputProps('username')} />
      <Select
        label={t('admins.role')}
        description={t(`admins.role.${form.values.role as Role}`)}
        data={ROLES.map(value => ({ value, label: t(`role.${value}`) }))}
        allowDeselect={false}
        {...form.getInputProps('role')}
      />
      <PasswordInput
        label={t('users.password')}
        description={t('users.password.help')}
        autoComplete="new-password"
        visibilityToggleButtonProps={{ 'aria-label': t('field.showPassword') }}
        {...form.getInputProps('password')}
      />
    </Form>
  );
}

function Deeds({ admin, made }: { readonly admin: Admin; readonly made: (secret: Secret) => void }) {
  const { t } = useSpeech();
  const may = useMay();
  const { name } = useIdentity();
  const queries = useQueryClient();
  const { confirm, attempt } = useFeedback();
  if (!may('owner') || admin.username === name) return null;
  const path = `/admins/${segment(admin.username)}`;
  const then = async (work: Promise<unknown>) => {
    await work;
    await queries.invalidateQueries({ queryKey: ['/admins'] });
  };
  const reset = async () => {
    const { data } = await request<{ password: string }>('POST', `${path}/password`, { body: {} });
    made(passwordOf(t, admin.username, data.password));
  };
  const status = admin.status === 'active' ? 'disabled' : 'active';
  return (
    <div style={{ display: 'flex', gap: '0.4rem', justifyContent: 'flex-end', flexWrap: 'wrap' }}>
      <Select
        size="xs"
        w={130}
        aria-label={t('admins.role.of', { name: admin.username })}
        data={ROLES.map(value => ({ value, label: t(`role.${value}`) }))}
        value={admin.role}
        allowDeselect={false}
        onChange={role => void attempt(t('common.save'), () => then(request('PATCH', path, { body: { role } })), t('common.saved'))}
      />
      <Button
        size="xs"
        variant="default"
        onClick={() => void attempt(t('common.save'), () => then(request('PATCH', path, { body: { status } })), t('common.saved'))}
      >
        {t(status === 'active' ? 'common.enable' : 'common.disable')}
      </Button>
      <Button
        size="xs"
        variant="default"
        onClick={() =>
          confirm(
            { title: t('admins.reset.title', { name: admin.username }), text: t('admins.reset.text'), action: t('admins.reset') },
            reset,
          )
        }
      >
        {t('admins.reset')}
      </Button>
      {admin.secondFactor && (
        <Button
          size="xs"
          variant="default"
          onClick={() =>
            confirm(
              {
                title: t('users.secondFactor.reset.title', { name: admin.username }),
                text: t('users.secondFactor.reset.text'),
                action: t('users.secondFactor.reset'),
              },
              () => then(request('DELETE', `${path}/second-factor`)),
            )
          }
        >
          {t('users.secondFactor.reset')}
        </Button>
      )}
      <Button
        size="xs"
        variant="default"
        onClick={() =>
          confirm(
            { title: t('users.delete.one', { name: admin.username }), text: t('admins.delete.text'), action: t('common.delete') },
            () => then(request('DELETE', path)),
          )
        }
      >
        {t('common.delete')}
      </Button>
    </div>
  );
}
