import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import {
  Button,
  ColorInput,
  FileButton,
  Form,
  Group,
  Loaded,
  Note,
  Section,
  Stack,
  TextInput,
  useFeedback,
  useHubForm,
} from '../../components/index.js';
import { type Branding, useBranding } from '../../lib/branding.js';
import { request } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';
import classes from './system.module.css';

const MAX_LOGO_BYTES = 140_000;
const PICTURES = 'image/png,image/jpeg,image/webp,image/gif';

/** Gives the hub a name, a colour and a logo of its own. */
export function BrandingSection() {
  const { t } = useSpeech();
  const query = useBranding();
  return (
    <Section title={t('system.branding')} lead={t('system.branding.lead')}>
      <Loaded query={query} lines={2}>
        {branding => <BrandingForm key={query.isPlaceholderData ? 'kept' : 'current'} branding={branding} />}
      </Loaded>
    </Section>
  );
}

function BrandingForm({ branding: { name, colour, logo } }: { readonly branding: Branding }) {
  const { t } = useSpeech();
  const queries = useQueryClient();
  const { done } = useFeedback();
  const form = useHubForm({
    initial: { name, colour, logo },
    send: values => request('PATCH', '/branding', { body: { ...values, name: values.name.trim() } }),
    done: () => {
      done(t('common.saved'));
      void queries.invalidateQueries({ queryKey: ['/branding'] });
    },
  });
  return (
    <Form form={form} submit={t('common.save')}>
      <TextInput label={t('common.name')} placeholder="Entrepot" maxLength={60} {...form.getInputProps('name')} />
      <ColorInput
        label={t('system.branding.colour')}
        description={t('system.branding.colour.help')}
        placeholder="#17594a"
        format="hex"
        withEyeDropper={false}
        swatches={['#17594a', '#1c6dd0', '#5b3fa8', '#a3195b', '#b0451b', '#3c4650']}
        {...form.getInputProps('colour')}
      />
      <LogoField logo={form.values.logo} change={value => form.setFieldValue('logo', value)} error={form.errors.logo} />
    </Form>
  );
}

function LogoField({
  logo,
  change,
  error,
}: {
  readonly logo: string;
  readonly change: (logo: string) => void;
  readonly error: React.ReactNode;
}) {
  const { t } = useSpeech();
  const [refused, setRefused] = useState(false);
  const choose = async (file: File | null) => {
    if (!file) return;
    const fits = file.size <= MAX_LOGO_BYTES && PICTURES.split(',').includes(file.type);
    setRefused(!fits);
    if (fits) change(await dataUrl(file));
  };
  return (
    <Stack gap="xs">
      <div>
        <p className={classes.label}>{t('system.branding.logo')}</p>
        <p className={classes.soft}>{t('system.branding.logo.help')}</p>
      </div>
      <Group gap="sm">
        {logo && <img src={logo} alt={t('system.branding.logo')} className={classes.logo} />}
        <FileButton accept={PICTURES} onChange={file => void choose(file)} inputProps={{ 'aria-label': t('system.branding.logo') }}>
          {props => (
            <Button variant="default" size="xs" {...props}>
              {t('system.branding.logo.choose')}
            </Button>
          )}
        </FileButton>
        {logo && (
          <Button variant="subtle" color="gray" size="xs" onClick={() => change('')}>
            {t('common.remove')}
          </Button>
        )}
      </Group>
      {(refused || error) && <Note tone="warn">{error ?? t('system.branding.logo.refused')}</Note>}
    </Stack>
  );
}

function dataUrl(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
