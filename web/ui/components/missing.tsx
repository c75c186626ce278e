import { IconMapOff } from '@tabler/icons-react';
import { Link } from 'wouter';
import { useSpeech } from '../lib/texts.js';
import { Page } from './page.js';
import { Button } from './primitives.js';
import { Empty } from './states.js';

/** Where no page is. */
export function MissingPage() {
  const { t } = useSpeech();
  return (
    <Page title={t('missing.title')} narrow>
      <Empty
        icon={<IconMapOff size={22} />}
        title={t('missing.title')}
        action={
          <Button component={Link} href="/" variant="default">
            {t('missing.home')}
          </Button>
        }
      >
        {t('missing.text')}
      </Empty>
    </Page>
  );
}
