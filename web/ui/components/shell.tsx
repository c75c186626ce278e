import { ActionIcon, Drawer, Menu, Tooltip } from '@mantine/core';
import { IconLogout, IconMenu2, IconSearch } from '@tabler/icons-react';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { isReturning } from '../lib/arrival.js';
import { useIdentity, useSession } from '../lib/session.js';
import { useSpeech } from '../lib/texts.js';
import { Mark } from './brand.js';
import { useFeedback } from './feedback.js';
import { PreferenceMenu } from './preferences.js';
import classes from './shell.module.css';

/** A page in the navigation. */
export interface NavigationEntry {
  readonly href: string;
  readonly label: string;
  readonly icon: ReactNode;
  /** How many wait for attention. */
  readonly count?: number | undefined;
}

/** Pages that belong together; the first group has no name. */
export interface NavigationGroup {
  readonly label?: string;
  readonly entries: readonly NavigationEntry[];
}

/** What surrounds every page: navigation, the way to everything by keyboard, the reader's own menu. */
export function Shell({
  name,
  navigation,
  account,
  openPalette,
  live,
  children,
}: {
  readonly name: string;
  readonly navigation: readonly NavigationGroup[];
  /** The reader's own entries of his menu. */
  readonly account?: readonly { readonly href: string; readonly label: string; readonly icon: ReactNode; readonly outside?: boolean }[];
  readonly openPalette?: () => void;
  readonly live?: ReactNode;
  readonly children: ReactNode;
}) {
  const { t } = useSpeech();
  const [location] = useLocation();
  const [opened, setOpened] = useState(false);
  useArrival(location, () => setOpened(false));
  const wide = navigation.length > 0;
  return (
    <div className={wide ? classes.shell : classes.plain}>
      <button type="button" className={classes.skip} onClick={() => document.getElementById('content')?.focus()}>
        {t('shell.skip')}
      </button>
      <header className={classes.top}>
        {wide && (
          <ActionIcon
            className={classes.burger!}
            variant="subtle"
            color="gray"
            size="lg"
            aria-label={t('shell.menu')}
            onClick={() => setOpened(true)}
          >
            <IconMenu2 size={20} aria-hidden />
          </ActionIcon>
        )}
        <Link href="/" className={classes.brand!}>
          <Mark />
          <span className={classes.name}>{name}</span>
        </Link>
        <span className={classes.space} />
        {openPalette && (
          <button type="button" className={classes.palette} aria-label={t('shell.search')} onClick={openPalette}>
            <IconSearch size={15} aria-hidden />
            <span>{t('shell.search')}</span>
            <kbd>{/Mac/.test(navigator.userAgent) ? '⌘ K' : 'Ctrl K'}</kbd>
          </button>
        )}
        {live}
        <PreferenceMenu />
        <AccountMenu entries={account ?? []} />
      </header>
      {wide && (
        <aside className={classes.side}>
          <Navigation groups={navigation} location={location} />
        </aside>
      )}
      <Drawer
        opened={opened}
        onClose={() => setOpened(false)}
        position="left"
        size="17rem"
        title={name}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <Navigation groups={navigation} location={location} />
      </Drawer>
      <main id="content" tabIndex={-1} className={classes.content}>
        {children}
      </main>
    </div>
  );
}

/** Runs `arrive` whenever another page is reached, and shows its top unless the reader went back: browsers know how far he was. */
function useArrival(location: string, arrive: () => void): void {
  const last = useRef(location);
  useEffect(() => {
    if (last.current === location) return;
    last.current = location;
    arrive();
    if (!isReturning()) window.scrollTo(0, 0);
  });
}

function Navigation({ groups, location }: { readonly groups: readonly NavigationGroup[]; readonly location: string }) {
  const { t } = useSpeech();
  return (
    <nav aria-label={t('shell.navigation')} className={classes.navigation}>
      {groups.map(group => (
        <div key={group.label ?? 'first'} className={classes.group}>
          {group.label && <p className={classes.groupLabel}>{group.label}</p>}
          <ul>
            {group.entries.map(entry => (
              <li key={entry.href}>
                <Link href={entry.href} className={classes.entry!} aria-current={isCurrent(entry.href, location) ? 'page' : undefined}>
                  {entry.icon}
                  <span>{entry.label}</span>
                  {entry.count ? <span className={classes.count}>{entry.count}</span> : null}
                </Link>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

function isCurrent(href: string, location: string): boolean {
  return href === '/' ? location === '/' : location === href || location.startsWith(`${href}/`);
}

function AccountMenu({
  entries,
}: {
  readonly entries: readonly { readonly href: string; readonly label: string; readonly icon: ReactNode; readonly outside?: boolean }[];
}) {
  const { t } = useSpeech();
  const identity = useIdentity();
  const { logOut } = useSession();
  const { attempt } = useFeedback();
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <Tooltip label={t('shell.account')}>
          <button type="button" className={classes.account} aria-label={`${t('shell.account')}: ${identity.name}`}>
            {[...identity.name][0]?.toUpperCase()}
          </button>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <div className={classes.who}>
          <strong dir="auto">{identity.name}</strong>
          {identity.role && <span>{t(`role.${identity.role}` as 'role.owner')}</span>}
        </div>
        <Menu.Divider />
        {entries.map(entry =>
          entry.outside ? (
            <Menu.Item key={entry.href} component="a" href={entry.href} leftSection={entry.icon}>
              {entry.label}
            </Menu.Item>
          ) : (
            <Menu.Item key={entry.href} component={Link} href={entry.href} leftSection={entry.icon}>
              {entry.label}
            </Menu.Item>
          ),
        )}
        <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => void attempt(t('shell.logOut'), logOut)}>
          {t('shell.logOut')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
