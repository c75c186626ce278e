import { useQueryClient } from '@tanstack/react-query';
import { Form, Loaded, Section, TextInput, useFeedback, useHubForm } from '../../components/index.js';
import { type Branding, useBranding } from '../../lib/branding.js';
import { request } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';

/** Gives the hub a name of its own. */
export function BrandingSection() {
  const { t } = useSpeech();
  return (
    <Section title={t('system.branding')} lead={t('system.branding.lead')}>
      <Loaded query={useBranding()} lines={2}>
        {branding => <BrandingForm branding={branding} />}
      </Loaded>
    </Section>
  );
}

function BrandingForm({ branding }: { readonly branding: Branding }) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const { done } = useFeedback();
  const form = useHubForm({
    initial: { name: branding.name },
    send: ({ name }) => request('PATCH', '/branding', { body: { name: name.trim() } }),
    done: () => {
      done(t('common.saved'));
      void queries.invalidateQueries({ queryKey: ['/branding'] });
    },
  });
  return (
    <Form form={form} submit={t('common.save')}>
      <TextInput label={t('common.name')} placeholder="Entrepot" maxLength={60} {...form.getInputProps('name')} />
    </Form>
  );
}
