import { IconRepeat } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import type { EventReplayed } from '../../api-types.js';
import { Button, useFeedback } from '../../components/index.js';
import { request } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';

/** Which events: those since a time, or between two, as far as the other fields let them through. */
export interface ReplayFilter {
  readonly since: number;
  readonly until?: number | undefined;
  readonly type?: string | number;
  readonly user?: string | number;
  readonly path?: string | number;
}

/** Delivers all events of a time anew, after it has told how many deliveries that makes. */
export function ReplayRange({ filter }: { readonly filter: ReplayFilter }) {
  const { t } = useSpeech();
  const may = useMay();
  const queries = useQueryClient();
  const { confirm, done, attempt } = useFeedback();
  if (!may('operator')) return null;
  const send = async (dryRun: boolean) => (await request<EventReplayed>('POST', '/events/replay', { body: { ...filter, dryRun } })).data;
  const ask = async () => {
    const { events, deliveries } = await send(true);
    confirm(
      {
        title: t('events.replayRange.title', { count: events }),
        text: t('events.replayRange.text', { count: deliveries }),
        action: t('events.replay'),
        harmless: true,
      },
      async () => {
        const sent = await send(false);
        done(t('deliveries.redelivered', { count: sent.deliveries }));
        await queries.invalidateQueries({ queryKey: ['/deliveries'] });
      },
    );
  };
  return (
    <Button variant="default" leftSection={<IconRepeat size={16} aria-hidden />} onClick={() => void attempt(t('events.replayRange'), ask)}>
      {t('events.replayRange')}
    </Button>
  );
}
