import { Facts, Section, Tags, When } from '../../components/index.js';
import type { User } from '../../lib/model.js';
import { useSpeech } from '../../lib/texts.js';
import { homeOf } from './list.js';

/** What a user is and is limited by, for who may not change it. */
export function ProfileFacts({ user }: { readonly user: User }) {
  const { t, format } = useSpeech();
  const listed = (values: readonly string[]) => (values.length === 0 ? t('users.any') : <Tags values={values} />);
  return (
    <Section>
      <Facts
        facts={[
          user.description !== '' && [t('users.description'), <span key="description">{user.description}</span>],
          [t('users.home'), <code key="home">{homeOf(user)}</code>],
          [t('users.password'), t(user.hasPassword ? 'common.yes' : 'common.no')],
          [t('users.protocols'), listed(user.protocols.map(name => name.toUpperCase()))],
          [t('users.addresses'), listed(user.addresses)],
          [t('users.maxSessions'), user.maxSessions === null ? t('users.any') : format.number(user.maxSessions)],
          [t('users.expiresAt'), <When key="expiresAt" time={user.expiresAt} fallback={t('common.never')} />],
        ]}
      />
    </Section>
  );
}
