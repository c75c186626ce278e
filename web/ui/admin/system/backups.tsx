import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { BackupMade, Backups } from '../../api-types.js';
import { Button, Bytes, Facts, Lines, Loaded, Section, useFeedback, When } from '../../components/index.js';
import { useLiveEvents } from '../../lib/live.js';
import { request } from '../../lib/request.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import classes from './system.module.css';

/** Which backups there are, when and where the next is made, and one now. */
export function BackupsSection() {
  const { t, format } = useSpeech();
  const may = useMay();
  const queries = useQueryClient();
  const query = useThing<Backups>('/backups');
  useLiveEvents(({ type }) => {
    if (type === 'backup.completed') void queries.invalidateQueries({ queryKey: ['/backups'] });
  });
  return (
    <Section title={t('backups.title')} lead={t('backups.lead')} actions={may('owner') && <BackUpNow />}>
      <Loaded query={query} lines={4}>
        {({ items, settings: { directory, everyMs, at, keep }, lastAt, nextAt }) => (
          <>
            <Facts
              facts={[
                [
                  t('backups.every'),
                  everyMs === 0
                    ? t('backups.every.off')
                    : [format.duration(everyMs), at !== undefined && t('backups.at', { time: at })].filter(Boolean).join(', '),
                ],
                [t('backups.directory'), <code key="directory">{directory}</code>],
                [t('backups.keep'), format.number(keep)],
                [t('backups.last'), <When key="last" time={lastAt ?? null} fallback={t('common.never')} />],
                nextAt !== undefined && [t('backups.next'), <When key="next" time={nextAt} />],
              ]}
            />
            {items.length === 0 ? (
              <p className={classes.files}>{t('backups.none')}</p>
            ) : (
              <div className={classes.files}>
                <Lines>
                  {items.map(({ file, bytes, modifiedAt }) => (
                    <li key={file}>
                      <div>
                        <code className={classes.file}>{file}</code>
                        <br />
                        <span className={classes.soft}>
                          <When time={modifiedAt} />
                        </span>
                      </div>
                      <span className={classes.size}>
                        <Bytes value={bytes} />
                      </span>
                    </li>
                  ))}
                </Lines>
              </div>
            )}
          </>
        )}
      </Loaded>
    </Section>
  );
}

function BackUpNow() {
  const { t, format } = useSpeech();
  const queries = useQueryClient();
  const { attempt, done } = useFeedback();
  const [busy, setBusy] = useState(false);
  const make = async () => {
    const { data } = await request<BackupMade>('POST', '/backups');
    done(t('backups.made', { count: data.rows, size: format.bytes(data.bytes) }));
    await queries.invalidateQueries({ queryKey: ['/backups'] });
  };
  const begin = async () => {
    setBusy(true);
    await attempt(t('backups.make'), make);
    setBusy(false);
  };
  return (
    <Button variant="default" loading={busy} onClick={() => void begin()}>
      {t('backups.make')}
    </Button>
  );
}
