import type { ReactNode } from 'react';
import { useBrandName } from '../lib/branding.js';
import { Mark } from './brand.js';
import classes from './entrance.module.css';
import { useTitle } from './page.js';
import { PreferenceMenu } from './preferences.js';

/** The page of who is not yet inside: set-up and login. */
export function Entrance({
  title,
  lead,
  footer,
  children,
}: {
  readonly title: string;
  readonly lead?: ReactNode;
  readonly footer?: ReactNode;
  readonly children: ReactNode;
}) {
  useTitle(title);
  return (
    <div className={classes.ground}>
      <div className={classes.corner}>
        <PreferenceMenu />
      </div>
      <main className={classes.sheet}>
        <div className={classes.brand}>
          <Mark size={34} />
          <span dir="auto">{useBrandName()}</span>
        </div>
        <h1>{title}</h1>
        {lead && <div className={classes.lead}>{lead}</div>}
        {children}
      </main>
      {footer && <div className={classes.footer}>{footer}</div>}
    </div>
  );
}
