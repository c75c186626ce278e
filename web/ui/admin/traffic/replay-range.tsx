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
  const ask = async () => {
    // What happens from now on is delivered anyway.
    const range = { ...filter, until: filter.until ?? Date.now() };
    const send = async (more: object) => (await request<EventReplayed>('POST', '/events/replay', { body: { ...range, ...more } })).data;
    const { events, deliveries, last } = await send({ dryRun: true });
    const isAll = last === undefined;
    confirm(
      {
        title: t(isAll ? 'events.replayRange.title' : 'events.replayRange.title.more', { count: events }),
        text: t(isAll ? 'events.replayRange.text' : 'events.replayRange.text.more', { count: deliveries }),
        action: t('events.replay'),
        harmless: true,
      },
      async () => {
        let sent = 0;
        try {
          for (let after: string | undefined, more = true; more; more = after !== undefined) {
            const answer = await send({ after });
            sent += answer.deliveries;
            after = answer.last;
          }
        } finally {
          if (sent > 0) done(t('deliveries.redelivered', { count: sent }));
          void queries.invalidateQueries({ queryKey: ['/deliveries'] });
        }
      },
    );
  };
  return (
    <Button variant="default" leftSection={<IconRepeat size={16} aria-hidden />} onClick={() => void attempt(t('events.replayRange'), ask)}>
      {t('events.replayRange')}
    </Button>
  );
}
