import { Status, type Tone } from '../../components/index.js';
import type { DeliveryState } from '../../lib/model.js';
import { useSpeech } from '../../lib/texts.js';

const TONES: Readonly<Record<DeliveryState, Tone>> = { waiting: 'warn', running: 'info', succeeded: 'ok', dead: 'bad', dismissed: 'idle' };

/** Where a delivery stands. */
export function DeliveryStatus({ state }: { readonly state: DeliveryState }) {
  const { t } = useSpeech();
  return (
    <Status tone={TONES[state]} live={state === 'running'}>
      {t(`delivery.state.${state}`)}
    </Status>
  );
}
