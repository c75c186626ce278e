import { Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { moment } from '../lib/format.js';
import { useSpeech } from '../lib/texts.js';
import classes from './values.module.css';

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

/** One clock for all relative times of the page: each second while something shows one. */
function listen(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const one of listeners) one();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The time, which moves once a second. */
export function useNow(): number {
  return useSyncExternalStore(listen, () => now);
}

/** A moment as seen from now, exact on hover. */
export function When({ time, fallback }: { readonly time: string | number | undefined | null; readonly fallback?: string }) {
  const { format } = useSpeech();
  const current = useNow();
  if (time === undefined || time === null) return <span className={classes.faint}>{fallback ?? '–'}</span>;
  const date = moment(time);
  return (
    <Tooltip label={format.exact(date)}>
      <time dateTime={date.toISOString()} className={classes.when}>
        {format.relative(date, Math.max(current, Date.now() - 1000))}
      </time>
    </Tooltip>
  );
}

/** A number of bytes with its unit. */
export function Bytes({ value }: { readonly value: number }) {
  const { format } = useSpeech();
  return <span className="number">{format.bytes(value)}</span>;
}

/** Copies `value`, and says so for a moment. */
export function CopyButton({ value, label }: { readonly value: string; readonly label?: string }) {
  const { t } = useSpeech();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const back = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(back);
  }, [copied]);
  const text = copied ? t('common.copied') : (label ?? t('common.copy'));
  return (
    <Tooltip label={text}>
      <button
        type="button"
        className={classes.copy}
        aria-label={text}
        onClick={event => {
          event.preventDefault();
          event.stopPropagation();
          void copy(value).then(() => setCopied(true));
        }}
      >
        {copied ? <IconCheck size={15} aria-hidden /> : <IconCopy size={15} aria-hidden />}
      </button>
    </Tooltip>
  );
}

/** Browsers offer their clipboard on secure pages only; elsewhere a selection does. */
async function copy(value: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(value);
  const area = document.createElement('textarea');
  area.value = value;
  area.className = classes.offscreen!;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

/** A value that is taken elsewhere as it stands: an id, a path, a fingerprint. `short` shows its last characters only. */
export function Copyable({ value, short }: { readonly value: string; readonly short?: number }) {
  const shown = short !== undefined && value.length > short ? `…${value.slice(-short)}` : value;
  return (
    <span className={classes.copyable}>
      <code title={value}>{shown}</code>
      <CopyButton value={value} />
    </span>
  );
}

/** A path, breakable at its slashes. */
export function Path({ value }: { readonly value: string }) {
  return (
    <code className={classes.path} dir="auto">
      {value}
    </code>
  );
}

/** Lines to be copied as a whole: a command, a body, a certificate. */
export function CodeBlock({
  code,
  label,
  wrap,
  maxHeight,
}: {
  readonly code: string;
  readonly label?: string;
  readonly wrap?: boolean;
  readonly maxHeight?: 'short';
}) {
  const { t } = useSpeech();
  return (
    <figure className={classes.block}>
      {label && <figcaption>{label}</figcaption>}
      <section data-short={maxHeight} tabIndex={0} aria-label={label ?? t('common.code')}>
        <pre data-wrap={wrap || undefined}>{code}</pre>
      </section>
      <span className={classes.blockCopy}>
        <CopyButton value={code} />
      </span>
    </figure>
  );
}
