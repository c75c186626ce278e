import { Button, Skeleton } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { asProblem, type Problem } from '../lib/problem.js';
import { type Translate, useSpeech } from '../lib/texts.js';
import classes from './states.module.css';

/** Says of a list that has nothing what would be in it, and what to do. */
export function Empty({
  icon,
  title,
  children,
  action,
}: {
  readonly icon?: ReactNode;
  readonly title: string;
  readonly children?: ReactNode;
  readonly action?: ReactNode;
}) {
  return (
    <div className={classes.empty}>
      {icon && (
        <span className={classes.emptyIcon} aria-hidden>
          {icon}
        </span>
      )}
      <p className={classes.emptyTitle}>{title}</p>
      {children && <div className={classes.emptyText}>{children}</div>}
      {action && <div className={classes.emptyAction}>{action}</div>}
    </div>
  );
}

/** What the reader can do about a problem, in a sentence. */
export function nextStep(problem: Problem, t: Translate): string {
  if (problem.status === 0 && problem.code === 'unreachable') return t('problem.step.unreachable');
  if (problem.status === 403) return t('problem.step.forbidden');
  if (problem.status === 404) return t('problem.step.missing');
  if (problem.status === 409) return t('problem.step.conflict');
  if (problem.status === 412) return t('problem.step.stale');
  if (problem.status === 429) return t('problem.step.later', { count: problem.retryAfter ?? 60 });
  if (problem.status >= 500) return t('problem.step.server');
  return t('problem.step.check');
}

/** A problem in full: what did not work, why, and what to do next. */
export function ProblemPanel({
  title,
  error,
  retry,
  action,
}: {
  readonly title?: string;
  readonly error: unknown;
  readonly action?: ReactNode;
  readonly retry?: (() => void) | undefined;
}) {
  const { t } = useSpeech();
  const problem = asProblem(error);
  return (
    <div className={classes.problem} role="alert">
      <IconAlertTriangle size={18} aria-hidden className={classes.problemIcon} />
      <div className={classes.problemText}>
        <p className={classes.problemTitle}>{title ?? t('problem.title')}</p>
        <p dir="auto">{problem.code === 'unreachable' ? t('problem.unreachable') : problem.detail}</p>
        {problem.errors.length > 0 && (
          <ul>
            {problem.errors.map(({ pointer, detail }) => (
              <li key={pointer}>
                <code>{pointer}</code> {detail}
              </li>
            ))}
          </ul>
        )}
        <p className={classes.problemStep}>{nextStep(problem, t)}</p>
      </div>
      {retry && (
        <Button variant="default" size="xs" onClick={retry}>
          {t('common.retry')}
        </Button>
      )}
      {action}
    </div>
  );
}

/** A note that is no failure: a warning or something to know. */
export function Note({
  tone = 'info',
  title,
  children,
  action,
}: {
  readonly tone?: 'info' | 'warn' | 'ok';
  readonly title?: string;
  readonly children?: ReactNode;
  readonly action?: ReactNode;
}) {
  return (
    <div className={classes.note} data-tone={tone} role="status">
      <div>
        {title && <p className={classes.noteTitle}>{title}</p>}
        {children}
      </div>
      {action}
    </div>
  );
}

const WIDTHS = [92, 75, 58, 87, 70, 53, 82, 65] as const;

/** Grey lines where content will be, once it takes longer than an eye notices. */
export function Pending({ lines = 6 }: { readonly lines?: number }) {
  const { t } = useSpeech();
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const later = setTimeout(() => setShown(true), 200);
    return () => clearTimeout(later);
  }, []);
  return (
    <div className={classes.pending} aria-busy="true">
      <span className={classes.hidden} role="status">
        {t('common.loading')}
      </span>
      {WIDTHS.slice(0, lines).map(width => (
        <Skeleton key={width} height={14} width={`${width}%`} radius="xs" visible className={shown ? '' : classes.hidden} />
      ))}
    </div>
  );
}

/** The answer of a query once it is there; until then grey lines, and the problem when there is one. */
export function Loaded<T>({
  query,
  lines,
  children,
}: {
  readonly query: UseQueryResult<T>;
  readonly lines?: number;
  readonly children: (data: T) => ReactNode;
}) {
  const { t } = useSpeech();
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <ProblemPanel title={t('problem.loading')} error={query.error} retry={() => void query.refetch()} />;
  return <Pending {...(lines !== undefined && { lines })} />;
}
