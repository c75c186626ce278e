import { Tooltip } from '@mantine/core';
import { useLiveState } from '../lib/live.js';
import { useSpeech } from '../lib/texts.js';
import { Status } from './status.js';

/** Whether the page hears of changes by itself. */
export function LiveMark() {
  const { t } = useSpeech();
  const connected = useLiveState();
  return (
    <Tooltip label={t(connected ? 'shell.live.help' : 'shell.offline.help')}>
      <span>
        <Status tone={connected ? 'ok' : 'warn'}>{t(connected ? 'shell.live' : 'shell.offline')}</Status>
      </span>
    </Tooltip>
  );
}
