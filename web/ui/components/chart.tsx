import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import UPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useSpeech } from '../lib/texts.js';
import classes from './chart.module.css';

const HEIGHT = 190;

/** A line of a chart: what it is called, and its colour as a token of tokens.css. */
export interface Series {
  readonly label: string;
  readonly colour: '--accent' | '--info';
  readonly values: readonly number[];
}

/** Rates over time as filled lines, as wide as there is room. `label` says in words what it shows. */
export default function Chart({
  label,
  times,
  series,
  unit,
}: {
  readonly label: string;
  /** In seconds since 1970, evenly spaced. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  /** A value as it stands beside the chart. */
  readonly unit: (value: number) => string;
}) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  const scheme = useComputedColorScheme('light');
  const { language } = useSpeech();
  const latest = useRef(unit);
  latest.current = unit;
  const data = [times, ...series.map(({ values }) => values)] as unknown as UPlot.AlignedData;
  const shown = useRef(data);
  shown.current = data;
  const names = series.map(({ label: name, colour }) => `${colour} ${name}`).join('\n');
  // biome-ignore lint/correctness/useExhaustiveDependencies: drawn anew for other colours, as the scheme has them.
  useEffect(() => {
    const element = place.current!;
    const token = (name: string) => getComputedStyle(element).getPropertyValue(name).trim();
    const font = `11px ${getComputedStyle(element).fontFamily}`;
    const axis = { stroke: token('--ink-soft'), font, grid: { stroke: token('--line'), width: 1 }, ticks: { show: false } };
    const clock = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    const made = new UPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { points: { size: 6 }, drag: { x: false, y: false }, y: false },
        padding: [8, 6, 0, 0],
        scales: { y: { range: (_chart, _low, high) => [0, Math.max(high * 1.1, 1_024)] } },
        axes: [
          { ...axis, size: 30, space: 70, values: (_chart, values) => values.map(value => clock.format(value * 1_000)) },
          { ...axis, size: 78, space: 45, values: (_chart, values) => values.map(value => latest.current(value)) },
        ],
        series: [
          {},
          ...names.split('\n').map(text => {
            const [colour = '', ...words] = text.split(' ');
            const stroke = token(colour);
            return { label: words.join(' '), stroke, width: 1.5, fill: `${stroke}22`, points: { show: false } };
          }),
        ],
      },
      shown.current,
      element,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [scheme, language, names]);
  useEffect(() => plot.current?.setData(data));
  return <div ref={place} className={classes.chart} role="img" aria-label={label} />;
}
