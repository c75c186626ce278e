import { useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from 'wouter';
import type { EventDetails } from '../../api-types.js';
import { Anchor, Button, CodeBlock, Copyable, Facts, Loaded, Page, Section, Status, useFeedback, When } from '../../components/index.js';
import type { Attempt, Delivery, Webhook } from '../../lib/model.js';
import { request, segment } from '../../lib/request.js';
import { useList, useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import classes from './delivery.module.css';
import { DeliveryStatus } from './delivery-status.js';
import { targetName } from './target.js';

type Whole = Delivery & { readonly tries?: readonly Attempt[] };

/** One delivery: each of its tries with what came back, and what can be done about it. */
export function DeliveryPage() {
  const { t, format } = useSpeech();
  const { id = '' } = useParams<{ id: string }>();
  const query = useThing<Whole>(`/deliveries/${segment(decodeURIComponent(id))}`);
  const webhooks = useList<Webhook>('/webhooks');
  const delivery = query.data;
  return (
    <Page
      title={delivery ? t('delivery.title', { type: delivery.eventType }) : t('nav.deliveries')}
      back={{ href: '/deliveries', label: t('nav.deliveries') }}
      mark={delivery && <DeliveryStatus state={delivery.state} />}
      actions={delivery && <Actions delivery={delivery} />}
      narrow
    >
      <Loaded query={query}>
        {whole => (
          <>
            <Section>
              <Facts
                facts={[
                  [t('deliveries.target'), targetName(whole.target, webhooks.data?.items ?? [])],
                  [
                    t('delivery.event'),
                    <Anchor key="event" component={Link} href={`/events/${segment(whole.eventId)}`}>
                      {whole.eventType}
                    </Anchor>,
                  ],
                  [t('events.time'), <When key="time" time={whole.createdAt} />],
                  whole.state === 'waiting' && [t('deliveries.next'), <When key="next" time={whole.dueAt} />],
                  [t('delivery.id'), <Copyable key="id" value={whole.id} />],
                ]}
              />
            </Section>
            <Section title={t('delivery.tries')} lead={t('delivery.tries.lead')}>
              <ol className={classes.tries} aria-live="polite">
                {[...(whole.tries ?? [])].reverse().map(attempt => (
                  <li key={attempt.attempt}>
                    <div className={classes.head}>
                      <Status tone={attempt.succeeded ? 'ok' : 'bad'}>{attempt.summary}</Status>
                      <span className={classes.when}>
                        {t('delivery.try', { number: attempt.attempt })} · <When time={attempt.startedAt} /> ·{' '}
                        <span className="number">{format.duration(attempt.durationMs)}</span>
                      </span>
                    </div>
                    {attempt.request && <CodeBlock code={attempt.request} label={t('delivery.request')} wrap maxHeight="short" />}
                    {attempt.answer && <CodeBlock code={attempt.answer} label={t('delivery.answer')} wrap maxHeight="short" />}
                  </li>
                ))}
              </ol>
              {(whole.tries ?? []).length === 0 && <p className={classes.none}>{t('delivery.tries.none')}</p>}
            </Section>
            <Body event={whole.eventId} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

/** What every try sends. */
function Body({ event }: { readonly event: string }) {
  const { t } = useSpeech();
  const query = useThing<EventDetails>(`/events/${segment(event)}`);
  return (
    <Section title={t('events.data')} lead={t('delivery.body.lead')}>
      <Loaded query={query}>
        {({ event: sent }) => <CodeBlock code={JSON.stringify(sent, undefined, 2)} label="application/json" maxHeight="short" />}
      </Loaded>
    </Section>
  );
}

function Actions({ delivery }: { readonly delivery: Delivery }) {
  const { t } = useSpeech();
  const may = useMay();
  const queries = useQueryClient();
  const { attempt, confirm } = useFeedback();
  if (!may('operator')) return null;
  const act = async (deed: string) => {
    await request('POST', `/deliveries/${segment(delivery.id)}/${deed}`);
    await queries.invalidateQueries({ queryKey: ['/deliveries'] });
  };
  return (
    <>
      {(delivery.state === 'waiting' || delivery.state === 'dead') && (
        <Button
          variant="default"
          onClick={() =>
            confirm({ title: t('delivery.dismiss.title'), text: t('delivery.dismiss.text'), action: t('delivery.dismiss') }, () =>
              act('dismiss'),
            )
          }
        >
          {t('delivery.dismiss')}
        </Button>
      )}
      {delivery.state !== 'running' && (
        <Button onClick={() => void attempt(t('deliveries.redeliver'), () => act('redeliver'), t('deliveries.redelivered', { count: 1 }))}>
          {t('deliveries.redeliver')}
        </Button>
      )}
    </>
  );
}
