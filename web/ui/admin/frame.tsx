import {
  IconActivity,
  IconApi,
  IconDatabase,
  IconFileCode,
  IconFolder,
  IconHistory,
  IconKey,
  IconLayoutDashboard,
  IconPlus,
  IconPuzzle,
  IconSettings,
  IconShieldX,
  IconStethoscope,
  IconTargetArrow,
  IconTimeline,
  IconTruckDelivery,
  IconUserCircle,
  IconUserShield,
  IconUsers,
  IconWebhook,
} from '@tabler/icons-react';
import { useLocation } from 'wouter';
import { type NavigationGroup, openPalette, Palette, type PaletteGroup, Shell } from '../components/index.js';
import { LiveMark } from '../components/live-mark.js';
import { at } from '../lib/base.js';
import { useBrandName } from '../lib/branding.js';
import { LiveProvider } from '../lib/live.js';
import { useList } from '../lib/resources.js';
import { useSpeech } from '../lib/texts.js';
import { useMay } from './may.js';
import { AdminPages } from './pages.js';

/** What surrounds the pages of administrators. */
export function AdminFrame() {
  const { t } = useSpeech();
  const navigation = useNavigation();
  return (
    <LiveProvider>
      <Shell
        name={useBrandName()}
        navigation={navigation}
        openPalette={openPalette}
        live={<LiveMark />}
        account={[
          { href: '/profile', label: t('nav.profile'), icon: <IconUserCircle size={16} aria-hidden /> },
          { href: at('/'), label: t('nav.files'), icon: <IconFolder size={16} aria-hidden />, outside: true },
        ]}
      >
        <AdminPages />
      </Shell>
      <CommandPalette navigation={navigation} />
    </LiveProvider>
  );
}

function useNavigation(): readonly NavigationGroup[] {
  const { t } = useSpeech();
  const may = useMay();
  const dead = useList('/deliveries', undefined, { limit: 1, state: 'dead' });
  return [
    { entries: [{ href: '/', label: t('nav.home'), icon: <IconLayoutDashboard /> }] },
    {
      label: t('nav.group.traffic'),
      entries: [
        { href: '/activity', label: t('nav.activity'), icon: <IconActivity /> },
        { href: '/events', label: t('nav.events'), icon: <IconTimeline /> },
      ],
    },
    {
      label: t('nav.group.delivery'),
      entries: [
        { href: '/targets', label: t('targets.title'), icon: <IconTargetArrow /> },
        { href: '/webhooks', label: t('nav.webhooks'), icon: <IconWebhook /> },
        { href: '/hooks', label: t('hooks.title'), icon: <IconFileCode /> },
        { href: '/deliveries', label: t('nav.deliveries'), icon: <IconTruckDelivery />, count: dead.data?.total },
        { href: '/extensions', label: t('extensions.title'), icon: <IconPuzzle /> },
      ],
    },
    {
      label: t('nav.group.people'),
      entries: [
        { href: '/users', label: t('nav.users'), icon: <IconUsers /> },
        ...(may('admin') ? [{ href: '/admins', label: t('nav.admins'), icon: <IconUserShield /> }] : []),
        { href: '/api-keys', label: t('nav.apiKeys'), icon: <IconKey /> },
      ],
    },
    {
      label: t('nav.group.system'),
      entries: [
        { href: '/storages', label: t('nav.storages'), icon: <IconDatabase /> },
        { href: '/bans', label: t('nav.bans'), icon: <IconShieldX /> },
        { href: '/audit', label: t('nav.audit'), icon: <IconHistory /> },
        { href: '/api', label: t('api.title'), icon: <IconApi /> },
        ...(may('admin') ? [{ href: '/doctor', label: t('doctor.title'), icon: <IconStethoscope /> }] : []),
        { href: '/settings', label: t('nav.settings'), icon: <IconSettings /> },
      ],
    },
  ];
}

function CommandPalette({ navigation }: { readonly navigation: readonly NavigationGroup[] }) {
  const { t } = useSpeech();
  const may = useMay();
  const [, go] = useLocation();
  const pages: PaletteGroup = {
    group: t('palette.go'),
    actions: navigation.flatMap(({ entries }) =>
      entries.map(entry => ({ id: entry.href, label: entry.label, leftSection: entry.icon, onClick: () => go(entry.href) })),
    ),
  };
  const deeds: PaletteGroup = {
    group: t('palette.do'),
    actions: may('admin')
      ? [
          { id: 'add-user', label: t('users.add'), leftSection: <IconPlus />, onClick: () => go('/users/new') },
          { id: 'add-webhook', label: t('webhooks.add'), leftSection: <IconPlus />, onClick: () => go('/webhooks/new') },
        ]
      : [],
  };
  return <Palette groups={[pages, deeds]} />;
}
