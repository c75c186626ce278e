import type { DeliveryCounts } from '../../api-types.js';
import { Status } from '../../components/index.js';
import { useSpeech } from '../../lib/texts.js';

/** As much of a target as says how it does. */
interface Counted {
  readonly enabled: boolean;
  readonly deliveries: DeliveryCounts;
}

/** Whether a target works, in a word. */
export function TargetStatus({ target: { enabled, deliveries } }: { readonly target: Counted }) {
  const { t } = useSpeech();
  const { succeeded, waiting, dead } = deliveries;
  if (!enabled) return <Status tone="idle">{t('common.disabled')}</Status>;
  if (dead > 0) return <Status tone="bad">{t('webhooks.failing')}</Status>;
  if (waiting > 0) return <Status tone="warn">{t('webhooks.retrying')}</Status>;
  if (succeeded > 0) return <Status tone="ok">{t('webhooks.working')}</Status>;
  return <Status tone="info">{t('webhooks.unused')}</Status>;
}

/** How many of those that are done arrived. */
export function rateOf({ deliveries: { succeeded, dead } }: Counted, number: (value: number) => string): string {
  return succeeded + dead === 0 ? '–' : `${number(Math.floor((100 * succeeded) / (succeeded + dead)))} %`;
}
