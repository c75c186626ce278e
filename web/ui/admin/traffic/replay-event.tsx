import { IconRepeat } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { EventReplayedOne, Target, Targets } from '../../api-types.js';
import { Button, Checkbox, Form, Loaded, Modal, Note, Stack, Text, useFeedback, useHubForm } from '../../components/index.js';
import { request } from '../../lib/request.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import { hostOf } from '../delivery/target.js';
import { useMay } from '../may.js';

/** Delivers an event again, to those who want it unless other targets are chosen. `path` is that of the event in the API. */
export function ReplayEvent({ path, wanted }: { readonly path: string; readonly wanted: readonly string[] }) {
  const { t } = useSpeech();
  const may = useMay();
  const [isOpen, setOpen] = useState(false);
  const targets = useThing<Targets>('/targets', {}, { enabled: isOpen });
  if (!may('operator')) return null;
  return (
    <>
      <Button variant="default" leftSection={<IconRepeat size={16} aria-hidden />} onClick={() => setOpen(true)}>
        {t('events.replay')}
      </Button>
      <Modal
        opened={isOpen}
        onClose={() => setOpen(false)}
        title={t('events.replay.title')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <Loaded query={targets} lines={3}>
          {({ items }) => (
            <TargetsForm path={path} targets={items.filter(({ enabled }) => enabled)} wanted={wanted} close={() => setOpen(false)} />
          )}
        </Loaded>
      </Modal>
    </>
  );
}

function TargetsForm({
  path,
  targets,
  wanted,
  close,
}: {
  readonly path: string;
  readonly targets: readonly Target[];
  readonly wanted: readonly string[];
  readonly close: () => void;
}) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const { done } = useFeedback();
  const form = useHubForm({
    initial: { targets: targets.map(({ id }) => id).filter(id => wanted.includes(id)) },
    check: values => (values.targets.length === 0 ? { targets: t('events.replay.none') } : {}),
    send: async values => (await request<EventReplayedOne>('POST', `${path}/replay`, { body: values })).data,
    done: ({ deliveries }) => {
      done(t('deliveries.redelivered', { count: deliveries }));
      close();
      for (const path of ['/events', '/deliveries']) void queries.invalidateQueries({ queryKey: [path] });
    },
  });
  if (targets.length === 0) return <Note>{t('targets.empty.text')}</Note>;
  return (
    <Form form={form} submit={t('events.replay')} cancel={close}>
      <Checkbox.Group label={t('events.replay.targets')} description={t('events.replay.targets.help')} {...form.getInputProps('targets')}>
        <Stack gap="xs" mt="xs">
          {targets.map(({ id, kind, name }) => (
            <Checkbox
              key={id}
              value={id}
              label={kind === 'webhook' ? hostOf(name) : name}
              description={wanted.includes(id) ? undefined : t('events.replay.unwanted')}
            />
          ))}
        </Stack>
      </Checkbox.Group>
      <Text size="sm" role="status">
        {t('events.replayRange.text', { count: form.values.targets.length })}
      </Text>
    </Form>
  );
}
