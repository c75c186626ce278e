import { IconChevronDown, IconChevronUp, IconRefresh, IconX } from '@tabler/icons-react';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { ActionIcon, Button, Progress, Status } from '../../components/index.js';
import { useSpeech } from '../../lib/texts.js';
import { nameOf } from './paths.js';
import classes from './upload-panel.module.css';
import type { Upload, UploadQueue } from './uploads.js';

/** What is being uploaded, how fast and how far; each can be cancelled, and tried again. */
export function UploadPanel({ queue }: { readonly queue: UploadQueue }) {
  const { t, format } = useSpeech();
  const uploads = useSyncExternalStore(queue.subscribe, queue.list);
  const [open, setOpen] = useState(true);
  const running = uploads.filter(({ state }) => state === 'sending' || state === 'waiting');
  useEffect(() => {
    if (running.length === 0) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', warn);
    return () => removeEventListener('beforeunload', warn);
  }, [running.length]);
  if (uploads.length === 0) return null;
  const counted = uploads.filter(({ state }) => state !== 'cancelled' && state !== 'taken');
  const total = counted.reduce((sum, { size }) => sum + size, 0);
  const sent = counted.reduce((sum, { sent: bytes }) => sum + bytes, 0);
  const speed = running.reduce((sum, one) => sum + one.speed, 0);
  const taken = uploads.filter(({ state }) => state === 'taken').length;
  const failed = uploads.filter(({ state }) => state === 'failed').length;
  const title =
    running.length > 0
      ? t('upload.running', { count: running.length })
      : taken > 0
        ? t('upload.taken', { count: taken })
        : failed > 0
          ? t('upload.failed', { count: failed })
          : t('upload.done', { count: counted.length });
  return (
    <section className={classes.panel} aria-label={t('upload.title')}>
      <header className={classes.header}>
        <div>
          <strong role="status">{title}</strong>
          {running.length > 0 && speed > 0 && (
            <span className={classes.speed}>
              {format.speed(speed)} · {t('activity.left', { time: format.duration(((total - sent) / speed) * 1000) })}
            </span>
          )}
        </div>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={t(open ? 'upload.fold' : 'upload.unfold')}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? <IconChevronDown size={17} aria-hidden /> : <IconChevronUp size={17} aria-hidden />}
        </ActionIcon>
        {running.length === 0 && taken === 0 && (
          <ActionIcon variant="subtle" color="gray" aria-label={t('common.close')} onClick={() => queue.clear()}>
            <IconX size={17} aria-hidden />
          </ActionIcon>
        )}
      </header>
      {running.length > 0 && (
        <Progress value={total === 0 ? 100 : (100 * sent) / total} size="xs" radius={0} aria-label={t('upload.title')} />
      )}
      {running.length === 0 && taken > 0 && (
        <div className={classes.question} role="alert">
          <p>{t('upload.taken.text', { count: taken })}</p>
          <Button size="xs" onClick={() => queue.settle(true)}>
            {t('upload.replace', { count: taken })}
          </Button>
          <Button size="xs" variant="default" onClick={() => queue.settle(false)}>
            {t('upload.keep', { count: taken })}
          </Button>
        </div>
      )}
      {open && (
        <ul className={classes.list}>
          {uploads.map(upload => (
            <Row key={upload.id} upload={upload} queue={queue} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Row({ upload, queue }: { readonly upload: Upload; readonly queue: UploadQueue }) {
  const { t, format } = useSpeech();
  const name = nameOf(upload.path);
  return (
    <li>
      <span className={classes.name} title={upload.path} dir="auto">
        {name}
      </span>
      <span className={classes.state}>
        {upload.state === 'sending' && (
          <span className="number">
            {upload.size === 0 ? '' : `${Math.floor((100 * upload.sent) / upload.size)} % · ${format.speed(upload.speed)}`}
          </span>
        )}
        {upload.state === 'waiting' && t('upload.waiting')}
        {upload.state === 'done' && <Status tone="ok">{format.bytes(upload.size)}</Status>}
        {upload.state === 'taken' && <Status tone="warn">{t('upload.state.taken')}</Status>}
        {upload.state === 'cancelled' && t('upload.cancelled')}
        {upload.state === 'failed' && <Status tone="bad">{t('upload.state.failed')}</Status>}
      </span>
      {(upload.state === 'sending' || upload.state === 'waiting') && (
        <ActionIcon
          variant="subtle"
          color="gray"
          size="sm"
          aria-label={t('upload.cancel', { name })}
          onClick={() => queue.cancel(upload.id)}
        >
          <IconX size={15} aria-hidden />
        </ActionIcon>
      )}
      {(upload.state === 'failed' || upload.state === 'cancelled') && (
        <Button
          variant="subtle"
          size="compact-xs"
          leftSection={<IconRefresh size={13} aria-hidden />}
          onClick={() => queue.retry(upload.id)}
        >
          {t('common.retry')}
        </Button>
      )}
      {upload.problem && upload.state === 'failed' && <span className={classes.why}>{upload.problem.detail}</span>}
    </li>
  );
}
