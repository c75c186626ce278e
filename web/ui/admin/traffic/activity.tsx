import { IconArrowDown, IconArrowUp, IconPlugConnected } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import {
  Anchor,
  Button,
  Bytes,
  Empty,
  Group,
  Loaded,
  Page,
  Path,
  Progress,
  Section,
  Status,
  Tag,
  useFeedback,
  When,
} from '../../components/index.js';
import { type HubEvent, useLiveEvents } from '../../lib/live.js';
import type { OpenSession } from '../../lib/model.js';
import { request, segment } from '../../lib/request.js';
import { useList } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import classes from './activity.module.css';
import { EventSubject, EventType, userOf } from './events.js';

const SHOWN_EVENTS = 12;
const SMOOTHING = 0.4;

/** Who is connected now, what is being transferred, and what has just happened; nothing here waits for a reload. */
export function ActivityPage() {
  const { t } = useSpeech();
  const query = useList<OpenSession>('/sessions');
  const sessions = query.data?.items ?? [];
  return (
    <Page title={t('activity.title')} lead={query.data && t('activity.lead', { count: query.data.total })}>
      <Section flush>
        <Loaded query={query}>
          {() =>
            sessions.length === 0 ? (
              <Empty icon={<IconPlugConnected size={22} />} title={t('activity.empty')}>
                {t('activity.empty.text')}
              </Empty>
            ) : (
              <ul className={classes.sessions}>
                {sessions.map(session => (
                  <SessionRow key={session.id} session={session} />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Section>
      <Recent />
    </Page>
  );
}

function SessionRow({ session }: { readonly session: OpenSession }) {
  const { t } = useSpeech();
  const may = useMay();
  const queries = useQueryClient();
  const { confirm, done } = useFeedback();
  const end = async () => {
    await request('DELETE', `/sessions/${segment(session.id)}`);
    done(t('activity.ended', { name: session.user }));
    await queries.invalidateQueries({ queryKey: ['/sessions'] });
  };
  const block = async () => {
    await request('POST', '/address-rules', {
      body: { range: session.remoteAddress, action: 'deny', comment: t('activity.block.note', { name: session.user }) },
    });
    await end();
  };
  return (
    <li className={classes.session}>
      <div className={classes.head}>
        <div className={classes.who}>
          <Anchor component={Link} href={`/users/${segment(session.user)}`} dir="auto">
            {session.user}
          </Anchor>
          <Tag>{session.protocol.toUpperCase()}</Tag>
          {!session.tls && <Tag tone="warn">{t('activity.plain')}</Tag>}
        </div>
        <span className={classes.facts}>
          <code>{session.remoteAddress}</code> · {t('activity.since')} <When time={session.startedAt} />
        </span>
        <Group gap="xs">
          {may('admin') && (
            <Button
              size="xs"
              variant="default"
              onClick={() =>
                confirm(
                  {
                    title: t('activity.block.title', { address: session.remoteAddress }),
                    text: t('activity.block.text'),
                    action: t('activity.block'),
                  },
                  block,
                )
              }
            >
              {t('activity.block')}
            </Button>
          )}
          {may('operator') && (
            <Button
              size="xs"
              variant="default"
              onClick={() =>
                confirm(
                  { title: t('activity.end.title', { name: session.user }), text: t('activity.end.text'), action: t('activity.end') },
                  end,
                )
              }
            >
              {t('activity.end')}
            </Button>
          )}
        </Group>
      </div>
      {session.transfers.map(transfer => (
        <Transfer key={`${transfer.direction} ${transfer.path}`} transfer={transfer} />
      ))}
      {session.transfers.length === 0 && (
        <p className={classes.idle}>
          {t('activity.idle')} · <When time={session.lastActivity} />
        </p>
      )}
    </li>
  );
}

function Transfer({ transfer }: { readonly transfer: OpenSession['transfers'][number] }) {
  const { t, format } = useSpeech();
  const speed = useSpeed(transfer.bytes);
  const Icon = transfer.direction === 'upload' ? IconArrowUp : IconArrowDown;
  const share = transfer.size ? Math.min(100, (100 * transfer.bytes) / transfer.size) : undefined;
  const rest = transfer.size && speed > 0 ? ((transfer.size - transfer.bytes) / speed) * 1000 : undefined;
  return (
    <div className={classes.transfer}>
      <Icon size={16} aria-label={t(`activity.${transfer.direction}`)} className={classes.arrow} />
      <Path value={transfer.path} />
      <span className={classes.amount}>
        <Bytes value={transfer.bytes} />
        {transfer.size ? (
          <>
            {' / '}
            <Bytes value={transfer.size} />
          </>
        ) : null}
        {speed > 0 && <span className="number"> · {format.speed(speed)}</span>}
        {rest !== undefined && <span className="number"> · {t('activity.left', { time: format.duration(rest) })}</span>}
      </span>
      <Progress
        value={share ?? 100}
        animated={share === undefined}
        striped={share === undefined}
        size="xs"
        className={classes.bar!}
        aria-label={transfer.path}
      />
    </div>
  );
}

/** Bytes a second, smoothed over the last changes of `bytes`. */
function useSpeed(bytes: number): number {
  const last = useRef({ bytes, at: performance.now() });
  const [speed, setSpeed] = useState(0);
  useEffect(() => {
    const now = performance.now();
    const { bytes: before, at } = last.current;
    if (bytes === before || now - at < 100) return;
    last.current = { bytes, at: now };
    const current = ((bytes - before) / (now - at)) * 1000;
    setSpeed(previous => (previous === 0 ? current : SMOOTHING * current + (1 - SMOOTHING) * previous));
  }, [bytes]);
  return Math.max(0, speed);
}

function Recent() {
  const { t } = useSpeech();
  const [events, setEvents] = useState<readonly HubEvent[]>([]);
  useLiveEvents(event => setEvents(before => [event, ...before].slice(0, SHOWN_EVENTS)));
  return (
    <Section title={t('activity.recent')} lead={t('activity.recent.lead')}>
      {events.length === 0 ? (
        <Status tone="info" live>
          {t('activity.recent.none')}
        </Status>
      ) : (
        <ol className={classes.recent} aria-live="polite">
          {events.map(event => (
            <li key={event.id}>
              <Link href={`/events/${segment(event.id)}`}>
                <EventType type={event.type} />
              </Link>
              <span className={classes.subject}>
                <EventSubject event={event} />
              </span>
              <span dir="auto">{userOf(event)}</span>
              <When time={event.time} />
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}
