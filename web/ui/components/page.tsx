import { IconArrowLeft } from '@tabler/icons-react';
import { type MouseEvent, type ReactNode, useEffect } from 'react';
import { Link } from 'wouter';
import { cameFrom } from '../lib/arrival.js';
import { useBrandName } from '../lib/branding.js';
import classes from './page.module.css';

/** What every page has: a title that says what it is, and what can be done with the whole of it. */
export interface PageProps {
  readonly title: string;
  /** One sentence below the title. */
  readonly lead?: ReactNode;
  readonly actions?: ReactNode;
  /** Where this page belongs, when it is about one thing of a list. */
  readonly back?: { readonly href: string; readonly label: string };
  /** Beside the title: the state of the thing. */
  readonly mark?: ReactNode;
  /** For pages that are read rather than compared. */
  readonly narrow?: boolean;
  readonly children: ReactNode;
}

/** A page with its title, in the document's title as well. */
export function Page({ title, lead, actions, back, mark, narrow, children }: PageProps) {
  useTitle(title);
  return (
    <div className={narrow ? `${classes.page} ${classes.narrow}` : classes.page}>
      <header className={classes.header}>
        <div className={classes.heading}>
          {back && (
            <Link href={back.href} className={classes.back!} onClick={event => returnTo(back.href, event)}>
              <IconArrowLeft size={14} aria-hidden />
              {back.label}
            </Link>
          )}
          <div className={classes.titleLine}>
            <h1 className={classes.title}>{title}</h1>
            {mark}
          </div>
          {lead && <p className={classes.lead}>{lead}</p>}
        </div>
        {actions && <div className={classes.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  );
}

/** To the list as it was left, where it led here. */
function returnTo(path: string, event: MouseEvent): void {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || !cameFrom(path)) return;
  event.preventDefault();
  history.back();
}

/** Names the page in the browser's tab and history. */
export function useTitle(title: string): void {
  const name = useBrandName();
  useEffect(() => {
    document.title = `${title} · ${name}`;
  }, [title, name]);
}

/** A part of a page with a name of its own. */
export function Section({
  title,
  lead,
  actions,
  flush,
  children,
}: {
  readonly title?: ReactNode;
  readonly lead?: ReactNode;
  readonly actions?: ReactNode;
  /** Content reaches the edges, as a table does. */
  readonly flush?: boolean;
  readonly children: ReactNode;
}) {
  return (
    <section className={classes.section}>
      {(title || actions) && (
        <header className={classes.sectionHeader}>
          <div>
            {title && <h2 className={classes.sectionTitle}>{title}</h2>}
            {lead && <p className={classes.sectionLead}>{lead}</p>}
          </div>
          {actions && <div className={classes.actions}>{actions}</div>}
        </header>
      )}
      <div className={flush ? classes.flush : classes.sectionBody}>{children}</div>
    </section>
  );
}

/** Names and values, one a line. */
export function Facts({ facts }: { readonly facts: readonly (readonly [name: string, value: ReactNode] | false | undefined)[] }) {
  return (
    <dl className={classes.facts}>
      {facts.map(fact =>
        fact ? (
          <div key={fact[0]} className={classes.fact}>
            <dt>{fact[0]}</dt>
            <dd>{fact[1]}</dd>
          </div>
        ) : null,
      )}
    </dl>
  );
}
