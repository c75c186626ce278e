import { IconFileCode } from '@tabler/icons-react';
import { Link } from 'wouter';
import type { Target, Targets } from '../../api-types.js';
import { Anchor, CodeBlock, type Column, DataTable, Empty, Note, Page, Section, Status, wholeList } from '../../components/index.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { TargetStatus } from './target-status.js';

interface Hook {
  readonly file: string;
  readonly event: string;
  readonly status: 'active' | 'rejected';
  readonly reason: string;
  readonly conditions: string;
}

interface HooksFolder {
  readonly folder: string;
  readonly enabled: boolean;
}

const SAMPLES = [
  {
    file: 'upload.completed.sh',
    code: '#!/bin/sh\n# The event is on standard input, and in the environment.\nset -eu\nlogger "received $ENTREPOT_PATH from $ENTREPOT_USER"\n',
  },
  {
    file: 'upload.completed.js',
    code: 'export default async (event, { log }) => {\n  log.info("received %s", event.data.path);\n};\n',
  },
] as const;

/** The scripts of the hooks folder: shown with their state, never edited here. */
export function HooksPage() {
  const { t } = useSpeech();
  const query = useThing<{ readonly report: readonly Hook[] }>('/reports/hooks');
  const targets = useThing<Targets>('/targets');
  const place = useThing<{ readonly report: HooksFolder }>('/reports/hooks-folder').data?.report;
  const folder = place?.folder ?? '…';
  const items = query.data?.report ?? [];
  const columns: readonly Column<Hook>[] = [
    { key: 'file', header: t('hooks.file'), render: hook => <code>{hook.file}</code>, width: '18rem' },
    { key: 'event', header: t('events.type'), render: hook => hook.event, width: '12rem' },
    {
      key: 'state',
      header: t('hooks.state'),
      render: hook => <HookState hook={hook} target={targets.data?.items.find(({ id }) => id === targetOf(hook))} />,
    },
    { key: 'conditions', header: t('rules.comment'), render: hook => hook.conditions },
    {
      key: 'runs',
      header: t('hooks.runs'),
      render: hook => (
        <Anchor component={Link} href={`/deliveries?${new URLSearchParams({ target: targetOf(hook) })}`}>
          {t('hooks.runs.show')}
        </Anchor>
      ),
      width: '8rem',
    },
  ];
  return (
    <Page title={t('hooks.title')} lead={t('hooks.lead', { folder })}>
      {place?.enabled === false && <Note tone="warn">{t('hooks.off')}</Note>}
      <DataTable
        label={t('hooks.title')}
        columns={columns}
        query={wholeList(query, items)}
        rowKey={hook => hook.file}
        empty={
          <Empty icon={<IconFileCode size={22} />} title={t('hooks.empty')}>
            {t('hooks.empty.text')}
          </Empty>
        }
      />
      {SAMPLES.map(({ file, code }) => (
        <Section key={file} title={t('hooks.sample', { file })}>
          <CodeBlock code={code} label={`${folder}/${file}`} />
        </Section>
      ))}
    </Page>
  );
}

/** Whether a hook is used and how its runs went; one that is asked before something happens has no deliveries. */
function HookState({ hook, target }: { readonly hook: Hook; readonly target: Target | undefined }) {
  const { t } = useSpeech();
  if (hook.status !== 'active') return <Status tone="bad">{hook.reason}</Status>;
  const hasRun = target !== undefined && Object.values(target.deliveries).some(count => count > 0);
  return hasRun ? <TargetStatus target={target} /> : <Status tone="ok">{t('hooks.works')}</Status>;
}

function targetOf({ file }: Hook): string {
  return `rule/hooks:${file}/0`;
}
