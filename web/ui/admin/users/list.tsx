import { IconPlus, IconUsers } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { Button, type Column, DataTable, Empty, Page, Status, Tag, useFeedback, When } from '../../components/index.js';
import { useListState } from '../../lib/list-state.js';
import type { User } from '../../lib/model.js';
import { request, segment } from '../../lib/request.js';
import { useList } from '../../lib/resources.js';
import { type Translate, useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';

/** All users: found by name, sorted, and enabled or disabled together. */
export function UsersPage() {
  const { t } = useSpeech();
  const may = useMay();
  const list = useListState('username', ['status']);
  const query = useList<User>('/users', list);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const add = (
    <Button component={Link} href="/users/new" leftSection={<IconPlus size={16} aria-hidden />}>
      {t('users.add')}
    </Button>
  );
  return (
    <Page title={t('nav.users')} lead={t('users.lead')} actions={may('admin') && add}>
      <DataTable
        label={t('nav.users')}
        columns={columns(t)}
        query={query}
        rowKey={user => user.username}
        href={user => `/users/${segment(user.username)}`}
        list={list}
        search={t('users.search')}
        filters={[
          {
            name: 'status',
            label: t('common.status'),
            options: [
              { value: 'active', label: t('common.enabled') },
              { value: 'disabled', label: t('common.disabled') },
            ],
          },
        ]}
        empty={
          <Empty icon={<IconUsers size={22} />} title={t('users.empty')} action={may('admin') && add}>
            {t('users.empty.text')}
          </Empty>
        }
        {...(may('admin') && {
          selection: { keys: chosen, choose: setChosen },
          toolbar: <Together chosen={chosen} choose={setChosen} />,
        })}
      />
    </Page>
  );
}

function columns(t: Translate): readonly Column<User>[] {
  return [
    { key: 'username', header: t('users.username'), sortable: true, render: user => <span dir="auto">{user.username}</span> },
    { key: 'status', header: t('common.status'), render: user => <UserStatus user={user} />, width: '9rem' },
    { key: 'home', header: t('users.home'), render: user => <code>{homeOf(user)}</code> },
    {
      key: 'proofs',
      header: t('users.proofs'),
      render: user => (
        <>
          {user.hasPassword && <Tag>{t('users.proof.password')}</Tag>}{' '}
          {user.keys.length > 0 && <Tag>{t('users.proof.keys', { count: user.keys.length })}</Tag>}{' '}
          {user.secondFactor && <Tag tone="ok">{t('users.proof.code')}</Tag>}
        </>
      ),
    },
    {
      key: 'lastLoginAt',
      header: t('users.lastLogin'),
      render: user => <When time={user.lastLoginAt} fallback={t('common.never')} />,
      width: '10rem',
    },
  ];
}

/** Where a user's files are: 'data:/alice'. */
export function homeOf(user: User): string {
  const home = user.mounts.find(({ path }) => path === '/');
  return home ? `${home.storage}:${home.directory}` : '';
}

/** Whether he can log in now. */
export function UserStatus({ user }: { readonly user: User }) {
  const { t } = useSpeech();
  if (user.status === 'disabled') return <Status tone="idle">{t('common.disabled')}</Status>;
  if (user.expiresAt !== null && user.expiresAt < Date.now()) return <Status tone="warn">{t('users.expired')}</Status>;
  if (!user.hasPassword && user.keys.length === 0) return <Status tone="warn">{t('users.noProof')}</Status>;
  return <Status tone="ok">{t('common.enabled')}</Status>;
}

function Together({ chosen, choose }: { readonly chosen: ReadonlySet<string>; readonly choose: (left: ReadonlySet<string>) => void }) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const { attempt, confirm, done } = useFeedback();
  if (chosen.size === 0) return null;
  const each = async (method: string, body?: object) => {
    const left = new Set(chosen);
    try {
      for (const name of chosen) {
        await request(method, `/users/${segment(name)}`, { body });
        left.delete(name);
      }
    } finally {
      // Those that one refusal has left out stay chosen.
      choose(left);
      if (left.size < chosen.size) done(t('users.together.done', { count: chosen.size - left.size }));
      void queries.invalidateQueries({ queryKey: ['/users'] });
    }
  };
  const names = [...chosen].slice(0, 10).join(', ') + (chosen.size > 10 ? ', …' : '');
  return (
    <>
      <span>{t('users.together', { count: chosen.size })}</span>
      <Button
        variant="default"
        size="xs"
        onClick={() => void attempt(t('problem.doing', { action: t('common.enable') }), () => each('PATCH', { status: 'active' }))}
      >
        {t('common.enable')}
      </Button>
      <Button
        variant="default"
        size="xs"
        onClick={() =>
          confirm(
            {
              title: t('users.disable.title', { count: chosen.size }),
              text: `${names}. ${t('users.disable.text')}`,
              action: t('common.disable'),
            },
            () => each('PATCH', { status: 'disabled' }),
          )
        }
      >
        {t('common.disable')}
      </Button>
      <Button
        variant="default"
        size="xs"
        onClick={() =>
          confirm(
            {
              title: t('users.delete.title', { count: chosen.size }),
              text: `${names}. ${t('users.delete.text')}`,
              action: t('common.delete'),
            },
            () => each('DELETE'),
          )
        }
      >
        {t('common.delete')}
      </Button>
    </>
  );
}
