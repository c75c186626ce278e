import { IconArrowRight, IconCheck } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { Certificate, Status as HubStatus } from '../api-types.js';
import { Facts, Page, Section, Status } from '../components/index.js';
import type { HubEvent } from '../lib/live.js';
import type { OpenSession, User, Webhook } from '../lib/model.js';
import { useList, useThing } from '../lib/resources.js';
import { useSpeech } from '../lib/texts.js';
import classes from './home.module.css';
import { ThroughputSection } from './traffic/throughput.js';

/** How the hub is doing; and, as long as something is left of them, the first steps. */
export function HomePage() {
  const { t, format } = useSpeech();
  const one = { limit: 1 };
  const users = useList<User>('/users', undefined, one);
  const logins = useList<HubEvent>('/events', undefined, { ...one, type: 'login.succeeded' });
  const uploads = useList<HubEvent>('/events', undefined, { ...one, type: 'upload.completed' });
  const webhooks = useList<Webhook>('/webhooks');
  const sessions = useList<OpenSession>('/sessions');
  const dead = useList('/deliveries', undefined, { ...one, state: 'dead' });
  const waiting = useList('/deliveries', undefined, { ...one, state: 'waiting' });
  const status = useThing<HubStatus>('/status');
  const steps = [
    { done: has(users.data), href: '/users/new', text: t('home.step.user'), help: t('home.step.user.help') },
    { done: has(logins.data), href: '/users', text: t('home.step.connect'), help: t('home.step.connect.help') },
    { done: has(uploads.data), href: '/activity', text: t('home.step.upload'), help: t('home.step.upload.help') },
    { done: has(webhooks.data), href: '/webhooks/new', text: t('home.step.webhook'), help: t('home.step.webhook.help') },
  ];
  const known = [users, logins, uploads, webhooks].every(query => query.data !== undefined);
  const left = steps.filter(step => !step.done).length;
  const transfers = sessions.data?.items.flatMap(session => session.transfers) ?? [];
  return (
    <Page title={t('nav.home')}>
      {known && left > 0 && (
        <Section title={t('home.steps')} lead={t('home.steps.left', { count: left })}>
          <ol className={classes.steps}>
            {steps.map((step, index) => (
              <Step
                key={step.href + step.text}
                number={index + 1}
                {...step}
                next={!step.done && steps.slice(0, index).every(({ done }) => done)}
              />
            ))}
          </ol>
        </Section>
      )}
      <div className={classes.tiles}>
        <Tile href="/activity" label={t('home.sessions')} value={number(sessions.data?.total, format.number.bind(format))}>
          {transfers.length > 0 ? t('home.transfers', { count: transfers.length }) : t('home.transfers.none')}
        </Tile>
        <Tile href="/deliveries?state=dead" label={t('home.failing')} value={number(dead.data?.total, format.number.bind(format))}>
          {dead.data && dead.data.total > 0 ? (
            <Status tone="bad">{t('home.failing.some')}</Status>
          ) : (
            <Status tone="ok">{t('home.failing.none', { count: waiting.data?.total ?? 0 })}</Status>
          )}
        </Tile>
        <Tile href="/users" label={t('nav.users')} value={number(users.data?.total, format.number.bind(format))}>
          {t('home.users')}
        </Tile>
        <Tile
          href="/events?type=upload.completed"
          label={t('home.uploads')}
          value={number(uploads.data?.total, format.number.bind(format))}
        >
          {t('home.uploads.all')}
        </Tile>
        <DiskTile disk={status.data?.disk} />
        <CertificateTile />
      </div>
      <ThroughputSection />
      {status.data && (
        <Section title={t('home.hub')}>
          <Facts
            facts={[
              ...status.data.listeners.map(
                (one, index) =>
                  [
                    `${one.protocol.toUpperCase()}${index > 0 && status.data.listeners[index - 1]?.protocol === one.protocol ? ` ${index + 1}` : ''}`,
                    <Status key={one.port} tone="ok">
                      <code>
                        {one.host}:{one.port}
                      </code>
                    </Status>,
                  ] as const,
              ),
              [t('home.version'), status.data.version],
              [t('home.uptime'), format.duration(status.data.uptimeMs)],
            ]}
          />
        </Section>
      )}
    </Page>
  );
}

const LOW_SPACE_BYTES = 1024 ** 3;

function DiskTile({ disk }: { readonly disk: HubStatus['disk'] }) {
  const { t, format } = useSpeech();
  const low = disk !== undefined && disk.freeBytes < LOW_SPACE_BYTES;
  return (
    <Tile href="/storages" label={t('home.disk')} value={disk ? format.bytes(disk.freeBytes) : '–'}>
      {disk && (
        <Status tone={low ? 'bad' : 'ok'}>{t(low ? 'home.disk.low' : 'home.disk.of', { size: format.bytes(disk.totalBytes) })}</Status>
      )}
    </Tile>
  );
}

function CertificateTile() {
  const { t, format } = useSpeech();
  const query = useThing<{ readonly items: readonly Certificate[] }>('/certificates');
  const items = query.data?.items ?? [];
  const bad = items.filter(({ result }) => result !== 'ok');
  const first = items
    .map(({ notAfter }) => notAfter)
    .filter(end => end !== undefined)
    .sort()[0];
  return (
    <Tile href="/settings" label={t('nav.certificates')} value={query.data ? format.number(items.length) : '–'}>
      {bad.length > 0 ? (
        <Status tone="bad">{t('home.certificates.bad', { count: bad.length })}</Status>
      ) : first !== undefined ? (
        <Status tone="ok">{t('home.certificates.until', { day: format.day(new Date(first)) })}</Status>
      ) : (
        t('home.certificates.none')
      )}
    </Tile>
  );
}

function has(page: { readonly total: number } | undefined): boolean {
  return (page?.total ?? 0) > 0;
}

function number(value: number | undefined, format: (value: number) => string): string {
  return value === undefined ? '–' : format(value);
}

function Step({
  number,
  done,
  href,
  text,
  help,
  next,
}: {
  readonly number: number;
  readonly done: boolean;
  readonly href: string;
  readonly text: string;
  readonly help: string;
  readonly next: boolean;
}) {
  const { t } = useSpeech();
  return (
    <li className={classes.step} data-done={done || undefined} data-next={next || undefined}>
      <span className={classes.tick} role="img" aria-label={t(done ? 'home.step.done' : 'home.step.open')}>
        {done ? <IconCheck size={15} aria-hidden /> : number}
      </span>
      {done ? (
        <span className={classes.stepText}>{text}</span>
      ) : (
        <Link href={href} className={classes.stepText!}>
          {text}
          <IconArrowRight size={15} aria-hidden />
        </Link>
      )}
      {!done && <span className={classes.stepHelp}>{help}</span>}
    </li>
  );
}

function Tile({
  href,
  label,
  value,
  children,
}: {
  readonly href: string;
  readonly label: string;
  readonly value: string;
  readonly children: ReactNode;
}) {
  return (
    <Link href={href} className={classes.tile!}>
      <span className={classes.tileLabel}>{label}</span>
      <span className={classes.tileValue}>{value}</span>
      <span className={classes.tileNote}>{children}</span>
    </Link>
  );
}
