import { useState } from 'react';
import type { Certificate, HostKey, Status as HubStatus, ConfigOption as Option } from '../../api-types.js';
import { Copyable, Facts, Loaded, Page, SearchField, Section, Status, Table, Tag, type Tone, When } from '../../components/index.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import { BackupsSection } from './backups.js';
import { BrandingSection } from './branding.js';
import classes from './system.module.css';

const TONES: Readonly<Record<Certificate['result'], Tone>> = { ok: 'ok', warn: 'warn', fail: 'bad' };

/** The hub itself: what it runs, by what it is known, and what its configuration says. */
export function SystemPage() {
  const { t } = useSpeech();
  const may = useMay();
  return (
    <Page title={t('nav.settings')} lead={t('system.lead')} narrow>
      <StatusSection />
      {may('owner') && <BrandingSection />}
      <Certificates />
      <HostKeys />
      {may('admin') && <BackupsSection />}
      {may('admin') && <Configuration />}
    </Page>
  );
}

function StatusSection() {
  const { t, format } = useSpeech();
  const query = useThing<HubStatus>('/status');
  return (
    <Section title={t('home.hub')}>
      <Loaded query={query} lines={5}>
        {status => (
          <Facts
            facts={[
              [t('home.version'), `${status.version} (Node.js ${status.nodeVersion})`],
              [t('system.node'), status.node],
              [t('home.uptime'), format.duration(status.uptimeMs)],
              [t('system.dataDirectory'), <Copyable key="directory" value={status.dataDirectory} />],
              ...status.listeners.map(
                one =>
                  [
                    `${t('system.listens')} ${one.protocol.toUpperCase()} ${one.port}`,
                    <code key={one.port}>{one.url ?? `${one.host}:${one.port}${one.tls ? ' (TLS)' : ''}`}</code>,
                  ] as const,
              ),
            ]}
          />
        )}
      </Loaded>
    </Section>
  );
}

function Certificates() {
  const { t } = useSpeech();
  const query = useThing<{ readonly items: readonly Certificate[] }>('/certificates');
  return (
    <Section title={t('nav.certificates')} lead={t('system.certificates.lead')}>
      <Loaded query={query} lines={3}>
        {({ items }) =>
          items.length === 0 ? (
            <p className={classes.none}>{t('system.certificates.none')}</p>
          ) : (
            <ul className={classes.list}>
              {items.map(one => (
                <li key={one.certificate}>
                  <div className={classes.head}>
                    <Status tone={TONES[one.result]}>{one.names.join(', ') || one.certificate}</Status>
                    {one.inUse && <Tag tone="ok">{t('system.inUse')}</Tag>}
                    {one.notAfter && (
                      <span className={classes.soft}>
                        {t('system.certificates.until')} <When time={one.notAfter} />
                      </span>
                    )}
                  </div>
                  <p className={classes.soft}>
                    {one.detail} <code>{one.certificate}</code>
                  </p>
                  {one.fingerprint && <Copyable value={one.fingerprint} />}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Section>
  );
}

function HostKeys() {
  const { t } = useSpeech();
  const query = useThing<{ readonly items: readonly HostKey[] }>('/host-keys');
  return (
    <Section title={t('connect.hostKeys')} lead={t('system.hostKeys.lead')}>
      <Loaded query={query} lines={3}>
        {({ items }) => (
          <ul className={classes.list}>
            {items.map(key => (
              <li key={key.fingerprint}>
                <div className={classes.head}>
                  <strong>{key.kind}</strong>
                  <Tag tone={key.state === 'offered' ? 'ok' : 'idle'}>{t(`system.hostKeys.${key.state}`)}</Tag>
                </div>
                <Copyable value={key.fingerprint} />
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Section>
  );
}

function Configuration() {
  const { t } = useSpeech();
  const query = useThing<{ readonly items: readonly Option[] }>('/config');
  const [wanted, setWanted] = useState('');
  return (
    <Section title={t('system.config')} lead={t('system.config.lead')}>
      <SearchField label={t('system.config.search')} value={wanted} onChange={setWanted} mb="sm" />
      <Loaded query={query} lines={8}>
        {({ items }) => (
          <section className={classes.scroll} tabIndex={0} aria-label={t('system.config')}>
            <Table verticalSpacing={6} fz="sm">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('system.config.option')}</Table.Th>
                  <Table.Th>{t('system.config.value')}</Table.Th>
                  <Table.Th>{t('system.config.source')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {items
                  .filter(({ path }) => path.toLowerCase().includes(wanted.toLowerCase()))
                  .map(option => (
                    <Table.Tr key={option.path}>
                      <Table.Td>
                        <code>{option.path}</code>
                      </Table.Td>
                      <Table.Td>
                        <code>{typeof option.value === 'string' ? option.value : JSON.stringify(option.value)}</code>
                      </Table.Td>
                      <Table.Td>{option.source}</Table.Td>
                    </Table.Tr>
                  ))}
              </Table.Tbody>
            </Table>
          </section>
        )}
      </Loaded>
    </Section>
  );
}
