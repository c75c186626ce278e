import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { Button, Section, Status, useFeedback, When } from '../../components/index.js';
import { useLiveEvents } from '../../lib/live.js';
import type { User } from '../../lib/model.js';
import { request, segment } from '../../lib/request.js';
import { type Translate, useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import classes from './first-connection.module.css';

interface Seen {
  readonly type: string;
  readonly time: string;
  readonly protocol: string;
  readonly address: string;
  readonly reason: string;
  readonly keys: readonly string[];
}

/** Waits for the user's first login, turns green when it comes, and says why one failed, with what mends it. */
export function FirstConnection({ user }: { readonly user: User }) {
  const { t } = useSpeech();
  const may = useMay();
  const queries = useQueryClient();
  const { attempt } = useFeedback();
  const [seen, setSeen] = useState<Seen>();
  useLiveEvents(event => {
    if (event.type !== 'login.succeeded' && event.type !== 'login.failed') return;
    const data = event.data as {
      user?: string;
      protocol?: string;
      remoteAddress?: string;
      reason?: string;
      keys?: readonly string[];
      session?: { user: string; protocol: string; remoteAddress: string };
    };
    if ((data.user ?? data.session?.user)?.toLowerCase() !== user.username.toLowerCase()) return;
    setSeen({
      type: event.type,
      time: event.time,
      protocol: data.protocol ?? data.session?.protocol ?? '',
      address: data.remoteAddress ?? data.session?.remoteAddress ?? '',
      reason: data.reason ?? '',
      keys: data.keys ?? [],
    });
    void queries.invalidateQueries({ queryKey: ['/users'] });
  });
  const mend = async ({ change, key }: Mending) => {
    const path = `/users/${segment(user.username)}`;
    await (key === undefined ? request('PATCH', path, { body: change! }) : request('POST', `${path}/keys`, { body: { key } }));
    await queries.invalidateQueries({ queryKey: ['/users'] });
  };
  const failed = seen?.type === 'login.failed';
  const connected = seen?.type === 'login.succeeded' || (!seen && user.lastLoginAt !== null);
  return (
    <Section title={t('connect.first')}>
      <div className={classes.state} data-state={failed ? 'bad' : connected ? 'ok' : 'waiting'} aria-live="polite">
        {failed ? (
          <>
            <Status tone="bad">{t('connect.first.failed')}</Status>
            <p>{t('connect.first.reason', { reason: seen.reason, protocol: seen.protocol.toUpperCase(), address: seen.address })}</p>
            {may('admin') && (
              <div className={classes.mend}>
                {mendingOf(user, seen).map(mending => (
                  <Button
                    key={mending.key ?? t(...mending.label)}
                    size="xs"
                    onClick={() => void attempt(t(...mending.label), () => mend(mending), t('common.saved'))}
                  >
                    {t(...mending.label)}
                  </Button>
                ))}
                {mendingOf(user, seen).length === 0 && (
                  <>
                    <Button size="xs" variant="default" component={Link} href={`/users/${segment(user.username)}`}>
                      {t('connect.first.password')}
                    </Button>
                    <Button size="xs" variant="default" component={Link} href={`/users/${segment(user.username)}/keys`}>
                      {t('users.key.add')}
                    </Button>
                  </>
                )}
              </div>
            )}
          </>
        ) : connected ? (
          <>
            <Status tone="ok">{t('connect.first.done')}</Status>
            <p>
              {seen ? t('connect.first.by', { protocol: seen.protocol.toUpperCase(), address: seen.address }) : t('users.lastLogin')}{' '}
              <When time={seen?.time ?? user.lastLoginAt} />
            </p>
          </>
        ) : (
          <>
            <Status tone="info" live>
              {t('connect.first.waiting')}
            </Status>
            <p>{t('connect.first.waiting.text')}</p>
          </>
        )}
      </div>
    </Section>
  );
}

/** What lets the user in, a change of him or a key of his, and what the button says. */
interface Mending {
  readonly label: Parameters<Translate>;
  readonly change?: object;
  readonly key?: string;
}

/** What of the user's own settings kept him out when he came by that protocol from that address. */
function mendingOf({ status, expiresAt, protocols, addresses }: User, { protocol, address, reason, keys }: Seen): readonly Mending[] {
  const found: Mending[] = [];
  if (status === 'disabled') found.push({ label: ['common.enable'], change: { status: 'active' } });
  if (expiresAt !== null && expiresAt <= Date.now()) found.push({ label: ['connect.first.expiry'], change: { expiresAt: null } });
  if (protocols.length > 0 && !protocols.includes(protocol))
    found.push({ label: ['connect.first.allow', { what: protocol.toUpperCase() }], change: { protocols: [...protocols, protocol] } });
  // Ranges are compared by the hub, which says so.
  if (/this address/.test(reason) && addresses.length > 0 && !addresses.includes(address))
    found.push({ label: ['connect.first.allow', { what: address }], change: { addresses: [...addresses, address] } });
  for (const key of keys) found.push({ label: ['connect.first.key', { what: key.split(' ')[0]! }], key });
  return found;
}
