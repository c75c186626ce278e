import { BrowsersSection, PasswordSection } from '../account/profile.js';
import { SecondFactorSection } from '../account/second-factor.js';
import { Page } from '../components/index.js';
import { useSpeech } from '../lib/texts.js';

/** The reader's own account as an administrator. */
export function ProfilePage() {
  const { t } = useSpeech();
  return (
    <Page title={t('nav.profile')} narrow>
      <PasswordSection />
      <SecondFactorSection />
      <BrowsersSection />
    </Page>
  );
}
