import type { ReactNode } from 'react';
import classes from './lines.module.css';

/** A few things one below the other, each with what can be done with it on the right. */
export function Lines({ children }: { readonly children: ReactNode }) {
  return <ul className={classes.lines}>{children}</ul>;
}
