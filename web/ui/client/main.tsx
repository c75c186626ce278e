import { IconSettings, IconUserCircle } from '@tabler/icons-react';
import { createRoot } from 'react-dom/client';
import { Route, Switch } from 'wouter';
import { Gate, Provider, Shell } from '../components/index.js';
import { MissingPage } from '../components/missing.js';
import { at } from '../lib/base.js';
import { useBrandName } from '../lib/branding.js';
import { SessionProvider } from '../lib/session.js';
import { useSpeech } from '../lib/texts.js';
import { AccountPage } from './account/page.js';
import { FilesPage } from './files/page.js';
import { UploadPanel } from './files/upload-panel.js';
import { UploadQueue } from './files/uploads.js';

/** What surrounds a user's pages. */
function ClientFrame({ queue }: { readonly queue: UploadQueue }) {
  const { t } = useSpeech();
  return (
    <Shell
      name={useBrandName()}
      navigation={[]}
      account={[
        { href: '/account', label: t('nav.profile'), icon: <IconUserCircle size={16} aria-hidden /> },
        { href: at('/admin'), label: t('nav.admin'), icon: <IconSettings size={16} aria-hidden />, outside: true },
      ]}
    >
      <Switch>
        <Route path="/">
          <FilesPage queue={queue} />
        </Route>
        <Route path="/login">
          <FilesPage queue={queue} />
        </Route>
        <Route path="/files/*?">
          <FilesPage queue={queue} />
        </Route>
        <Route path="/account/*?">
          <AccountPage />
        </Route>
        <Route>
          <MissingPage />
        </Route>
      </Switch>
      <UploadPanel queue={queue} />
    </Shell>
  );
}

createRoot(document.getElementById('root')!).render(
  <Provider>
    <SessionProvider scope="user">
      <Gate scope="user">
        <ClientFrame queue={new UploadQueue()} />
      </Gate>
    </SessionProvider>
  </Provider>,
);
