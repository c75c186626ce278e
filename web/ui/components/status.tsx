import type { ReactNode } from 'react';
import classes from './status.module.css';

/** How good a state is; the text says which. */
export type Tone = 'ok' | 'warn' | 'bad' | 'info' | 'idle';

/** A state: a shape that differs by tone as well as its colour, and its name. */
export function Status({ tone, children, live }: { readonly tone: Tone; readonly children: ReactNode; readonly live?: boolean }) {
  return (
    <span className={classes.status} data-tone={tone}>
      <span className={classes.dot} data-tone={tone} data-live={live || undefined} aria-hidden />
      {children}
    </span>
  );
}

/** A short word that classifies. */
export function Tag({ children, tone = 'idle' }: { readonly children: ReactNode; readonly tone?: Tone }) {
  return (
    <span className={classes.tag} data-tone={tone}>
      {children}
    </span>
  );
}

/** Several tags in a row that breaks. */
export function Tags({ values }: { readonly values: readonly string[] }) {
  return (
    <span className={classes.tags}>
      {values.map(value => (
        <Tag key={value}>{value}</Tag>
      ))}
    </span>
  );
}
