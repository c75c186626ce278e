import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Listener } from '../../api-types.js';
import { CodeBlock, Copyable, Facts, Note, Section, SegmentedControl, Stack } from '../../components/index.js';
import { absolute } from '../../lib/base.js';
import type { User } from '../../lib/model.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { FirstConnection } from './first-connection.js';

/** What of the hub's state a client needs. */
interface Ways {
  readonly listeners: readonly Listener[];
}

const PROGRAMS = ['openssh', 'winscp', 'filezilla', 'cyberduck', 'rclone', 'ftp', 'web'] as const;

/** How this user connects: commands and settings to copy, what the server shows of itself, and whether it has worked. */
export function ConnectTab({ user }: { readonly user: User }) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const status = useThing<Ways>('/status');
  const [program, setProgram] = useState<(typeof PROGRAMS)[number]>('openssh');
  const created = queries.getQueryData<{ readonly password?: string; readonly made: boolean }>(['created', user.username]);
  const port = (protocol: string, otherwise: number) => status.data?.listeners.find(one => one.protocol === protocol)?.port ?? otherwise;
  const place = { host: location.hostname, sftp: port('sftp', 2022), ftp: port('ftp', 2021), user: user.username };
  const fingerprints = status.data?.listeners.find(one => one.protocol === 'sftp')?.fingerprints ?? [];
  return (
    <>
      {created?.password !== undefined && (
        <Section title={t('connect.secret')} lead={t(created.made ? 'connect.secret.made' : 'connect.secret.chosen')}>
          <Facts
            facts={[
              [t('users.username'), <Copyable key="name" value={user.username} />],
              [t('users.password'), <Copyable key="password" value={created.password} />],
            ]}
          />
        </Section>
      )}
      <Section title={t('connect.title')} lead={t('connect.lead')}>
        <Stack gap="md">
          <div style={{ overflowX: 'auto' }}>
            <SegmentedControl
              aria-label={t('connect.program')}
              value={program}
              onChange={value => setProgram(value as typeof program)}
              data={PROGRAMS.map(value => ({ value, label: t(`connect.${value}`) }))}
            />
          </div>
          <Program program={program} place={place} />
        </Stack>
      </Section>
      <FirstConnection user={user} />
      {fingerprints.length > 0 && (
        <Section title={t('connect.hostKeys')} lead={t('connect.hostKeys.lead')}>
          <Facts
            facts={fingerprints.map(text => {
              const [kind = '', fingerprint = ''] = text.split(' ');
              return [kind, <Copyable key={kind} value={fingerprint} />];
            })}
          />
        </Section>
      )}
    </>
  );
}

interface Place {
  readonly host: string;
  readonly sftp: number;
  readonly ftp: number;
  readonly user: string;
}

function Program({ program, place: { host, sftp, ftp, user } }: { readonly program: (typeof PROGRAMS)[number]; readonly place: Place }) {
  const { t } = useSpeech();
  const login = /^[\w.@+-]+$/.test(user) ? user : `'${user.replaceAll("'", "'\\''")}'`;
  const settings = (protocol: string, port: number) => (
    <Facts
      facts={[
        [t('connect.protocol'), protocol],
        [t('connect.host'), <Copyable key="host" value={host} />],
        [t('connect.port'), <Copyable key="port" value={String(port)} />],
        [t('users.username'), <Copyable key="user" value={user} />],
      ]}
    />
  );
  switch (program) {
    case 'openssh':
      return (
        <Stack gap="sm">
          <CodeBlock code={`sftp -P ${sftp} ${login}@${host}`} label={t('connect.openssh.sftp')} />
          <CodeBlock code={`scp -P ${sftp} report.pdf ${login}@${host}:/`} label={t('connect.openssh.scp')} />
        </Stack>
      );
    case 'winscp':
      return (
        <Stack gap="sm">
          {settings('SFTP', sftp)}
          <CodeBlock code={`sftp://${encodeURIComponent(user)}@${host}:${sftp}/`} label={t('connect.link')} />
        </Stack>
      );
    case 'filezilla':
      return settings('SFTP – SSH File Transfer Protocol', sftp);
    case 'cyberduck':
      return (
        <Stack gap="sm">
          {settings('SFTP (SSH File Transfer Protocol)', sftp)}
          <CodeBlock code={`sftp://${encodeURIComponent(user)}@${host}:${sftp}/`} label={t('connect.link')} />
        </Stack>
      );
    case 'rclone':
      return (
        <Stack gap="sm">
          <CodeBlock
            code={`rclone config create entrepot sftp host ${host} port ${sftp} user ${login} --all`}
            label={t('connect.rclone.config')}
          />
          <CodeBlock code="rclone copy ./reports entrepot:/reports" label={t('connect.rclone.copy')} />
        </Stack>
      );
    case 'ftp':
      return (
        <Stack gap="sm">
          {settings(t('connect.ftp.protocol'), ftp)}
          <Note>{t('connect.ftp.note')}</Note>
        </Stack>
      );
    case 'web':
      return <CodeBlock code={absolute('/')} label={t('connect.web.address')} />;
  }
}
