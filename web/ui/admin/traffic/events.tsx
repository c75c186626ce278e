import { IconHistory, IconTimeline } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import {
  type Column,
  Empty,
  EndlessTable,
  type Filter,
  Page,
  Path,
  rangeFilter,
  Status,
  Tag,
  type Tone,
  When,
} from '../../components/index.js';
import { useEndless } from '../../lib/endless.js';
import { useListState } from '../../lib/list-state.js';
import type { HubEvent } from '../../lib/live.js';
import { EVENT_TYPES } from '../../lib/model.js';
import { timesOf } from '../../lib/ranges.js';
import { segment } from '../../lib/request.js';
import { type Translate, useSpeech } from '../../lib/texts.js';
import { ExportMenu } from './export-menu.js';
import { ReplayRange } from './replay-range.js';

/** Everything that happened, newest first; new events appear by themselves. */
export function EventsPage() {
  const { t } = useSpeech();
  const types = { name: 'type', label: t('events.type'), options: EVENT_TYPES.map(value => ({ value, label: value })) };
  return (
    <EventList
      title={t('nav.events')}
      path="/events"
      lead={t('events.lead')}
      filters={[types]}
      empty={
        <Empty icon={<IconTimeline size={22} />} title={t('events.empty')}>
          {t('events.empty.text')}
        </Empty>
      }
    />
  );
}

/** What administrators did, and what they were refused. */
export function AuditPage() {
  const { t } = useSpeech();
  return (
    <EventList
      title={t('nav.audit')}
      path="/audit"
      lead={t('audit.lead')}
      type="admin.acted"
      filters={[]}
      empty={
        <Empty icon={<IconHistory size={22} />} title={t('audit.empty')}>
          {t('audit.empty.text')}
        </Empty>
      }
    />
  );
}

function EventList({
  title,
  path,
  lead,
  type,
  filters,
  empty,
}: {
  readonly title: string;
  /** Of the page. */
  readonly path: string;
  readonly lead: string;
  /** The one type that is shown. */
  readonly type?: string;
  readonly filters: readonly Filter[];
  readonly empty: ReactNode;
}) {
  const { t } = useSpeech();
  const list = useListState('-time', ['type', 'user', 'path', 'range']);
  const { range, ...narrowed } = list.filters;
  const asked = () => ({ search: list.search, ...narrowed, ...timesOf(range), ...(type !== undefined && { type }) });
  const filter = asked();
  const { since, until } = filter;
  const rows = useEndless<HubEvent>('/events', { search: list.search, ...list.filters, type: type ?? list.filters.type }, asked);
  return (
    <Page
      title={title}
      lead={lead}
      actions={
        rows.total > 0 && (
          <>
            {/* What is searched for cannot be replayed, and what administrators did is not for sending again. */}
            {since !== undefined && list.search === '' && type === undefined && <ReplayRange filter={{ since, until, ...narrowed }} />}
            <ExportMenu filter={filter} />
          </>
        )
      }
    >
      <EndlessTable
        label={title}
        columns={columns(t, type === undefined)}
        rows={rows}
        path={path}
        rowKey={idOf}
        href={event => `/events/${segment(event.id)}`}
        list={list}
        search={t('events.search')}
        filters={[...filters, rangeFilter(t, list)]}
        empty={empty}
      />
    </Page>
  );
}

const idOf = (event: HubEvent) => event.id;

function columns(t: Translate, all: boolean): readonly Column<HubEvent>[] {
  return [
    ...(all ? [{ key: 'type', header: t('events.type'), render: (event: HubEvent) => <EventType type={event.type} />, width: '22%' }] : []),
    { key: 'subject', header: t('events.subject'), render: event => <EventSubject event={event} /> },
    { key: 'user', header: t('events.user'), render: event => <span dir="auto">{userOf(event)}</span>, width: '12%' },
    ...(all
      ? [
          {
            key: 'protocol',
            header: t('events.protocol'),
            render: (event: HubEvent) => protocolOf(event) && <Tag>{protocolOf(event)}</Tag>,
            width: '9%',
          },
        ]
      : []),
    { key: 'address', header: t('events.address'), render: event => <code>{addressOf(event)}</code>, width: '15%' },
    { key: 'time', header: t('events.time'), render: event => <When time={event.time} />, width: '16%' },
  ];
}

/** A type of event, with whether it is good news. */
export function EventType({ type }: { readonly type: string }) {
  return <Status tone={toneOf(type)}>{type}</Status>;
}

function toneOf(type: string): Tone {
  if (/\.(failed|exceeded)$/.test(type)) return 'bad';
  if (type === 'certificate.expiring') return 'warn';
  if (/^(upload|download)\.completed$/.test(type)) return 'ok';
  return 'idle';
}

interface Session {
  readonly user: string;
  readonly protocol: string;
  readonly remoteAddress: string;
}

function sessionOf(event: HubEvent): Partial<Session> {
  return (event.data.session as Session | undefined) ?? {};
}

/** Who did it. */
export function userOf(event: HubEvent): string {
  return String(event.data.admin ?? event.data.user ?? sessionOf(event).user ?? '');
}

/** By which protocol, in capitals. */
export function protocolOf(event: HubEvent): string {
  return String(event.data.protocol ?? sessionOf(event).protocol ?? '').toUpperCase();
}

/** From where. */
export function addressOf(event: HubEvent): string {
  return String(event.data.remoteAddress ?? sessionOf(event).remoteAddress ?? '');
}

/** What it is about: a path, and where to; a reason; the method of a login. */
export function EventSubject({ event }: { readonly event: HubEvent }) {
  const { path, target, reason, method, message, names, action, refused } = event.data as Record<
    string,
    string | readonly string[] | undefined
  >;
  if (action !== undefined) return <span dir="auto">{[action, target, refused].filter(Boolean).join(' · ')}</span>;
  if (path !== undefined) {
    return (
      <>
        <Path value={String(path)} />
        {target !== undefined && (
          <>
            {' → '}
            <Path value={String(target)} />
          </>
        )}
      </>
    );
  }
  return <span dir="auto">{String(reason ?? method ?? message ?? names ?? '')}</span>;
}
