import { useEffect, useRef } from 'react';
import { Copyable, Facts, Form, Modal, Text, TextInput, useFeedback, useHubForm, When } from '../../components/index.js';
import { request } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';
import type { Entry } from './list.js';
import { childOf, pageOf } from './paths.js';

/** What the reader is about to do with entries of a folder. */
export type Deed =
  | { readonly kind: 'mkdir' }
  | { readonly kind: 'rename'; readonly entry: Entry }
  | { readonly kind: 'details'; readonly entry: Entry }
  | { readonly kind: 'move'; readonly entries: readonly Entry[] }
  | { readonly kind: 'copy'; readonly entries: readonly Entry[] }
  | { readonly kind: 'delete'; readonly entries: readonly Entry[] };

interface DeedsProps {
  readonly folder: string;
  readonly deed: Deed | undefined;
  readonly close: () => void;
  readonly done: () => void;
}

/** The dialog of a deed: its form, its question, or what it shows. */
export function Deeds({ folder, deed, close, done }: DeedsProps) {
  const { t } = useSpeech();
  const { confirm } = useFeedback();
  const asked = useRef<Deed>(undefined);
  useEffect(() => {
    if (deed?.kind !== 'delete' || asked.current === deed) return;
    asked.current = deed;
    close();
    const names = deed.entries.slice(0, 5).map(({ name }) => name);
    confirm(
      {
        title:
          deed.entries.length === 1 ? t('files.delete.one', { name: names[0]! }) : t('files.delete.title', { count: deed.entries.length }),
        text: t(deed.entries.some(({ type }) => type === 'directory') ? 'files.delete.folders' : 'files.delete.text'),
        action: t('common.delete'),
      },
      async () => {
        try {
          for (const { name } of deed.entries)
            await request('DELETE', '/files', { query: { path: childOf(folder, name), recursive: 'true' } });
        } finally {
          done();
        }
      },
    );
  });
  if (!deed || deed.kind === 'delete') return null;
  const title = {
    mkdir: t('files.newFolder'),
    rename: t('files.rename'),
    details: t('common.details'),
    move: t('files.move'),
    copy: t('files.copy'),
  }[deed.kind];
  const finish = () => {
    close();
    done();
  };
  return (
    <Modal opened onClose={close} title={title} closeButtonProps={{ 'aria-label': t('common.close') }}>
      {deed.kind === 'details' ? (
        <Details folder={folder} entry={deed.entry} />
      ) : deed.kind === 'mkdir' ? (
        <NameForm
          label={t('files.folderName')}
          initial=""
          submit={t('files.newFolder')}
          send={name => request('POST', '/files/directories', { body: { path: childOf(folder, name) } })}
          done={finish}
        />
      ) : deed.kind === 'rename' ? (
        <NameForm
          label={t('files.newName')}
          initial={deed.entry.name}
          submit={t('files.rename')}
          send={name => request('POST', '/files/rename', { body: { from: childOf(folder, deed.entry.name), to: childOf(folder, name) } })}
          done={finish}
        />
      ) : (
        <TargetForm folder={folder} kind={deed.kind} entries={deed.entries} done={finish} />
      )}
    </Modal>
  );
}

function NameForm({
  label,
  initial,
  submit,
  send,
  done,
}: {
  readonly label: string;
  readonly initial: string;
  readonly submit: string;
  readonly send: (name: string) => Promise<unknown>;
  readonly done: () => void;
}) {
  const { t } = useSpeech();
  const form = useHubForm({
    initial: { name: initial },
    fields: { '/path': 'name', '/from': 'name', '/to': 'name' },
    check: ({ name }) => (name.trim() === '' || name.includes('/') ? { name: t('files.name.wrong') } : {}),
    send: ({ name }) => send(name.trim()),
    done,
  });
  return (
    <Form form={form} submit={submit}>
      <TextInput label={label} data-autofocus spellCheck={false} dir="auto" {...form.getInputProps('name')} />
    </Form>
  );
}

function TargetForm({
  folder,
  kind,
  entries,
  done,
}: {
  readonly folder: string;
  readonly kind: 'move' | 'copy';
  readonly entries: readonly Entry[];
  readonly done: () => void;
}) {
  const { t } = useSpeech();
  const form = useHubForm({
    initial: { target: folder },
    fields: { '/from': 'target', '/to': 'target' },
    check: ({ target }) => (target.startsWith('/') && (kind === 'copy' || target !== folder) ? {} : { target: t('files.target.wrong') }),
    send: async ({ target }) => {
      const into = target.replace(/(.)\/+$/, '$1');
      for (const { name } of entries) {
        await request('POST', `/files/${kind === 'move' ? 'rename' : 'copy'}`, {
          body: { from: childOf(folder, name), to: childOf(into, name) },
        });
      }
    },
    done,
  });
  return (
    <Form form={form} submit={t(kind === 'move' ? 'files.move' : 'files.copy')}>
      <Text size="sm">{entries.length === 1 ? entries[0]!.name : t('files.chosen', { count: entries.length })}</Text>
      <TextInput
        label={t('files.target')}
        description={t('files.target.help')}
        data-autofocus
        spellCheck={false}
        {...form.getInputProps('target')}
      />
    </Form>
  );
}

function Details({ folder, entry }: { readonly folder: string; readonly entry: Entry }) {
  const { t, format } = useSpeech();
  return (
    <Facts
      facts={[
        [
          t('common.name'),
          <span key="name" dir="auto">
            {entry.name}
          </span>,
        ],
        [t('files.kind'), t(`files.kind.${entry.type}`)],
        entry.type !== 'directory' && [t('files.size'), `${format.bytes(entry.size)} (${t('files.bytes', { count: entry.size })})`],
        [t('files.modified'), <When key="time" time={entry.mtime} />],
        [t('files.path'), <Copyable key="path" value={childOf(folder, entry.name)} />],
        [t('files.link'), <Copyable key="link" value={new URL(pageOf(folder), location.origin).href} short={40} />],
      ]}
    />
  );
}
