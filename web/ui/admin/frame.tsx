import { Shell } from '../components/index.js';
import { useSpeech } from '../lib/texts.js';
import { AdminPages } from './pages.js';

/** What surrounds the pages of administrators. */
export function AdminFrame() {
  const { t } = useSpeech();
  return (
    <Shell name="Entrepot" navigation={[{ entries: [{ href: '/', label: t('nav.home'), icon: null }] }]}>
      <AdminPages />
    </Shell>
  );
}
