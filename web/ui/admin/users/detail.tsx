import { IconDots } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { Link, useLocation, useParams } from 'wouter';
import { ActionIcon, Followed, Loaded, Menu, Page, Tabs, useFeedback } from '../../components/index.js';
import type { User } from '../../lib/model.js';
import { type Answer, request, segment } from '../../lib/request.js';
import { useVersioned } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import { ConnectTab } from './connect.js';
import { KeysTab } from './keys.js';
import { UserStatus } from './list.js';
import { ProfileTab } from './profile.js';
import { RightsTab } from './rights.js';

const TABS = ['profile', 'rights', 'keys', 'connect'] as const;

/** One user: who he is, what he may do, his keys, and how he connects. */
export function UserPage() {
  const { t } = useSpeech();
  const { name = '', tab = 'profile' } = useParams<{ name: string; tab?: string }>();
  const [, go] = useLocation();
  const username = decodeURIComponent(name);
  const path = `/users/${segment(username)}`;
  const query = useVersioned<User>(path);
  return (
    <Page
      title={username}
      back={{ href: '/users', label: t('nav.users') }}
      mark={query.data && <UserStatus user={query.data.data} />}
      actions={query.data && <UserMenu answer={query.data} />}
      narrow
    >
      <Tabs value={tab} onChange={value => go(value === 'profile' ? path : `${path}/${value}`)} keepMounted={false}>
        <Tabs.List mb="md">
          {TABS.map(one => (
            <Tabs.Tab key={one} value={one}>
              {t(`users.tab.${one}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Loaded query={query}>
          {answer => (
            <>
              <Tabs.Panel value="profile">
                <Followed query={query}>{held => <ProfileTab answer={held} />}</Followed>
              </Tabs.Panel>
              <Tabs.Panel value="rights">
                <Followed query={query}>{held => <RightsTab answer={held} />}</Followed>
              </Tabs.Panel>
              <Tabs.Panel value="keys">
                <KeysTab user={answer.data} />
              </Tabs.Panel>
              <Tabs.Panel value="connect">
                <ConnectTab user={answer.data} />
              </Tabs.Panel>
            </>
          )}
        </Loaded>
      </Tabs>
    </Page>
  );
}

function UserMenu({ answer: { data: user, etag } }: { readonly answer: Answer<User> }) {
  const { t } = useSpeech();
  const may = useMay();
  const [, go] = useLocation();
  const queries = useQueryClient();
  const { confirm, attempt } = useFeedback();
  if (!may('admin')) return null;
  const path = `/users/${segment(user.username)}`;
  const set = async (status: User['status']) => {
    await request('PATCH', path, { body: { status }, etag });
    await queries.invalidateQueries({ queryKey: ['/users'] });
  };
  const resetSecondFactor = async () => {
    await request('DELETE', `${path}/second-factor`);
    await queries.invalidateQueries({ queryKey: ['/users'] });
  };
  const remove = async () => {
    await request('DELETE', path, { etag });
    go('/users');
    await queries.invalidateQueries({ queryKey: ['/users'] });
  };
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={t('common.more')}>
          <IconDots size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component={Link} href={`/users/new?like=${segment(user.username)}`}>
          {t('users.duplicate')}
        </Menu.Item>
        {user.status === 'active' ? (
          <Menu.Item
            onClick={() =>
              confirm(
                { title: t('users.disable.one', { name: user.username }), text: t('users.disable.text'), action: t('common.disable') },
                () => set('disabled'),
              )
            }
          >
            {t('common.disable')}
          </Menu.Item>
        ) : (
          <Menu.Item onClick={() => void attempt(t('common.enable'), () => set('active'), t('common.saved'))}>
            {t('common.enable')}
          </Menu.Item>
        )}
        {user.secondFactor && (
          <Menu.Item
            onClick={() =>
              confirm(
                {
                  title: t('users.secondFactor.reset.title', { name: user.username }),
                  text: t('users.secondFactor.reset.text'),
                  action: t('users.secondFactor.reset'),
                },
                resetSecondFactor,
              )
            }
          >
            {t('users.secondFactor.reset')}
          </Menu.Item>
        )}
        <Menu.Divider />
        <Menu.Item
          color="var(--bad)"
          onClick={() =>
            confirm(
              { title: t('users.delete.one', { name: user.username }), text: t('users.delete.text'), action: t('common.delete') },
              remove,
            )
          }
        >
          {t('common.delete')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
