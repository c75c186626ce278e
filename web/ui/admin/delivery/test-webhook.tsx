import { IconSend } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { WebhookTried as Outcome } from '../../api-types.js';
import { Button, CodeBlock, ProblemPanel, Stack, Status } from '../../components/index.js';
import { request } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';

/** Sends a test by an API route, and shows what was sent and what came back. */
export function TestWebhook({ path, body, disabled }: { readonly path: string; readonly body?: object; readonly disabled?: boolean }) {
  const { t, format } = useSpeech();
  const queries = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();
  const [problem, setProblem] = useState<unknown>();
  const send = async () => {
    setBusy(true);
    setProblem(undefined);
    setOutcome(undefined);
    try {
      setOutcome((await request<Outcome>('POST', path, { body })).data);
      await queries.invalidateQueries({ queryKey: ['/deliveries'] });
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack gap="sm" align="flex-start">
      <Button
        variant="default"
        leftSection={<IconSend size={16} aria-hidden />}
        loading={busy}
        disabled={disabled ?? false}
        onClick={() => void send()}
      >
        {t('webhooks.test.send')}
      </Button>
      <div aria-live="polite" style={{ width: '100%' }}>
        {problem !== undefined && <ProblemPanel error={problem} />}
        {outcome && (
          <Stack gap="xs">
            <Status tone={outcome.ok ? 'ok' : 'bad'}>
              {outcome.summary}
              {outcome.durationMs !== undefined && <span className="number"> · {format.duration(outcome.durationMs)}</span>}
            </Status>
            {outcome.request && <CodeBlock code={outcome.request} label={t('delivery.request')} wrap maxHeight="short" />}
            {outcome.answer && <CodeBlock code={outcome.answer} label={t('delivery.answer')} wrap maxHeight="short" />}
          </Stack>
        )}
      </div>
    </Stack>
  );
}
