import { Link, useParams } from 'wouter';
import type { EventDetails as Whole } from '../../api-types.js';
import { Anchor, CodeBlock, Copyable, Facts, Loaded, Page, Section, When } from '../../components/index.js';
import type { Webhook } from '../../lib/model.js';
import { segment } from '../../lib/request.js';
import { useList, useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { DeliveryStatus } from '../delivery/delivery-status.js';
import { targetName } from '../delivery/target.js';
import classes from './event.module.css';
import { addressOf, EventSubject, EventType, protocolOf, userOf } from './events.js';
import { ReplayEvent } from './replay-event.js';

/** One event: what it says, who was told of it and how that went, and a way to tell them again. */
export function EventPage() {
  const { t } = useSpeech();
  const { id = '' } = useParams<{ id: string }>();
  const path = `/events/${segment(decodeURIComponent(id))}`;
  const query = useThing<Whole>(path);
  const webhooks = useList<Webhook>('/webhooks');
  return (
    <Page
      title={query.data?.event.type ?? t('nav.events')}
      back={{ href: '/events', label: t('nav.events') }}
      actions={query.data && <ReplayEvent path={path} wanted={query.data.wanted} />}
      narrow
    >
      <Loaded query={query}>
        {({ event, deliveries }) => (
          <>
            <Section>
              <Facts
                facts={[
                  [t('events.type'), <EventType key="type" type={event.type} />],
                  [t('events.subject'), <EventSubject key="subject" event={event} />],
                  userOf(event) !== '' && [t('events.user'), userOf(event)],
                  addressOf(event) !== '' && [t('events.address'), `${addressOf(event)} · ${protocolOf(event)}`],
                  [t('events.time'), <When key="time" time={event.time} />],
                  [t('events.id'), <Copyable key="id" value={event.id} />],
                ]}
              />
            </Section>
            <Section title={t('nav.deliveries')}>
              {deliveries.length === 0 ? (
                <p className={classes.none}>{t('events.deliveries.none')}</p>
              ) : (
                <ul className={classes.deliveries}>
                  {deliveries.map(delivery => (
                    <li key={delivery.id}>
                      <Anchor component={Link} href={`/deliveries/${segment(delivery.id)}`}>
                        {targetName(delivery.target, webhooks.data?.items ?? [])}
                      </Anchor>
                      <span className={classes.error}>{delivery.lastError}</span>
                      <DeliveryStatus state={delivery.state} />
                    </li>
                  ))}
                </ul>
              )}
            </Section>
            <Section title={t('events.data')} lead={t('events.data.lead')}>
              <CodeBlock code={JSON.stringify(event, undefined, 2)} label="application/json" />
            </Section>
          </>
        )}
      </Loaded>
    </Page>
  );
}
