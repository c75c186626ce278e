import { ApiKeys } from '../account/api-keys.js';
import { Page } from '../components/index.js';
import { useSpeech } from '../lib/texts.js';
import { useMay } from './may.js';

/** Keys of programs that act for administrators and users. */
export function ApiKeysPage() {
  const { t } = useSpeech();
  const may = useMay();
  return (
    <Page title={t('nav.apiKeys')}>
      <ApiKeys everybody={may('owner')} />
    </Page>
  );
}
