import { TextInput } from '@mantine/core';
import type { ListState } from '../lib/list-state.js';
import { BETWEEN, localEnds, RANGES, rangeBetween } from '../lib/ranges.js';
import { type Translate, useSpeech } from '../lib/texts.js';
import type { Filter } from './table.js';
import classes from './table.module.css';

const NAMES = Object.keys(RANGES) as (keyof typeof RANGES)[];

/** Narrows a list to a time: back from now, or between two times. What is chosen is its filter `range`. */
export function rangeFilter(t: Translate, list: ListState): Filter {
  const isBetween = list.filters.range?.includes(BETWEEN) ?? false;
  return {
    name: 'range',
    label: t('events.range'),
    options: [
      ...NAMES.map(value => ({ value: value as string, label: t(`events.range.${value}`) })),
      { value: BETWEEN, label: t('events.range.between') },
    ],
    ...(isBetween && { chosen: BETWEEN, more: <Between list={list} /> }),
  };
}

function Between({ list }: { readonly list: ListState }) {
  const { t } = useSpeech();
  const ends = localEnds(list.filters.range!);
  const field = (index: 0 | 1, label: string) => (
    <TextInput
      type="datetime-local"
      className={classes.time!}
      aria-label={label}
      leftSection={<span aria-hidden>{label}</span>}
      leftSectionWidth="3.4rem"
      value={ends[index]}
      onChange={({ currentTarget: { value } }) =>
        list.set({ range: index === 0 ? rangeBetween(value, ends[1]) : rangeBetween(ends[0], value) })
      }
    />
  );
  return (
    <div className={classes.times}>
      {field(0, t('events.range.since'))}
      {field(1, t('events.range.until'))}
    </div>
  );
}
