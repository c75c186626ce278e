import { Modal } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { useSpeech } from '../lib/texts.js';
import { Section } from './page.js';
import { Button } from './primitives.js';
import { Copyable } from './values.js';

/** What is shown once: a password or a key that was just made. */
export interface Secret {
  readonly title: string;
  readonly lead: string;
  readonly value: string;
}

/** Adds to a list by a dialog; what comes of it that nobody is shown again stands above the list until the page is left. */
export interface Adding {
  readonly button: ReactNode;
  readonly dialog: ReactNode;
  readonly secret: ReactNode;
  readonly show: (secret: Secret | undefined) => void;
}

/** A button, the dialog that it opens, and the secret that may come of it. `form` calls `done` with that. */
export function useAdding(label: string, form: (done: (secret: Secret | undefined) => void) => ReactNode): Adding {
  const { t } = useSpeech();
  const [open, setOpen] = useState(false);
  const [secret, show] = useState<Secret>();
  const done = (made: Secret | undefined) => {
    setOpen(false);
    show(made);
  };
  return {
    button: (
      <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setOpen(true)}>
        {label}
      </Button>
    ),
    dialog: (
      <Modal opened={open} onClose={() => setOpen(false)} title={label} closeButtonProps={{ 'aria-label': t('common.close') }}>
        {form(done)}
      </Modal>
    ),
    secret: secret && (
      <Section title={secret.title} lead={secret.lead}>
        <Copyable value={secret.value} />
      </Section>
    ),
    show,
  };
}
