import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { lazy, Suspense, useState } from 'react';
import type { LiveMessages, Traffic, TrafficBin } from '../../api-types.js';
import { Loaded, Pending, Section, useNow } from '../../components/index.js';
import { useLive } from '../../lib/live.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import classes from './throughput.module.css';

const Chart = lazy(() => import('../../components/chart.js'));
const DAY_MS = 86_400_000;

/** How much moves now, and how much did within the last 24 hours. */
export function ThroughputSection() {
  const { t, format } = useSpeech();
  const query = useThing<Traffic>('/traffic');
  const [rates, setRates] = useState<LiveMessages['throughput']>({ upload: 0, download: 0 });
  useLive(message => {
    if (message.topic === 'throughput') setRates(message.data);
    // A stream begins with what changes; before, nothing moves.
    if (message.topic === 'ready') setRates({ upload: 0, download: 0 });
  });
  return (
    <Section title={t('home.traffic')} lead={t('home.traffic.lead')}>
      <dl className={classes.now}>
        {(['upload', 'download'] as const).map(direction => (
          <div key={direction} data-direction={direction}>
            <dt>
              {direction === 'upload' ? <IconArrowUp size={15} aria-hidden /> : <IconArrowDown size={15} aria-hidden />}
              {t(`home.traffic.${direction}`)}
            </dt>
            <dd>
              <strong className="number">{format.speed(rates[direction])}</strong>
              <span>{t('home.traffic.day', { size: format.bytes(total(query.data?.bins ?? [], direction)) })}</span>
            </dd>
          </div>
        ))}
      </dl>
      <div className={classes.chart}>
        <Loaded query={query} lines={5}>
          {traffic => <DayChart traffic={traffic} />}
        </Loaded>
      </div>
    </Section>
  );
}

function DayChart({ traffic: { bins, binMs } }: { readonly traffic: Traffic }) {
  const { t, format } = useSpeech();
  const now = useNow();
  const last = now - (now % binMs);
  const byTime = new Map(bins.map(bin => [bin.at, bin]));
  const starts = Array.from({ length: DAY_MS / binMs }, (_, index) => last - DAY_MS + (index + 1) * binMs);
  const rates = (direction: 'upload' | 'download') =>
    starts.map(at => {
      const bin = byTime.get(at);
      // The last one is still filling.
      return bin ? (bin[`${direction}Bytes`] * 1_000) / Math.max(1_000, Math.min(binMs, now - at)) : 0;
    });
  const sums = { upload: format.bytes(total(bins, 'upload')), download: format.bytes(total(bins, 'download')) };
  return (
    <Suspense fallback={<Pending lines={5} />}>
      <Chart
        label={t('home.traffic.chart', sums)}
        times={starts.map(at => at / 1_000)}
        series={[
          { label: t('home.traffic.upload'), colour: '--accent', values: rates('upload') },
          { label: t('home.traffic.download'), colour: '--info', values: rates('download') },
        ]}
        unit={value => format.speed(value)}
      />
    </Suspense>
  );
}

function total(bins: readonly TrafficBin[], direction: 'upload' | 'download'): number {
  return bins.reduce((sum, bin) => sum + bin[`${direction}Bytes`], 0);
}
