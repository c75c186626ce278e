import { IconDownload } from '@tabler/icons-react';
import { useState } from 'react';
import { Button, Copyable, Group, Lines, Note, Stack, Textarea } from '../components/index.js';
import { generateKeyPair } from '../lib/keys.js';
import type { PublicKey } from '../lib/model.js';
import { saveText } from '../lib/save.js';
import { useSpeech } from '../lib/texts.js';
import classes from './keys.module.css';

/** A public key: pasted, dropped as a file, or made here. */
export function KeyField({
  form,
  name,
}: {
  readonly form: { getInputProps(field: 'keys'): object; setFieldValue(field: 'keys', value: string): void };
  readonly name: string;
}) {
  const { t } = useSpeech();
  const [made, setMade] = useState<'saved' | 'cannot'>();
  const generate = async () => {
    try {
      const pair = await generateKeyPair(`${name}@entrepot`);
      saveText(`${name}-ed25519`, pair.privateKey);
      form.setFieldValue('keys', pair.publicKey);
      setMade('saved');
    } catch {
      setMade('cannot');
    }
  };
  return (
    <Stack gap="xs">
      <Textarea
        label={t('users.key')}
        description={t('users.key.help')}
        placeholder="ssh-ed25519 AAAAC3Nz… alice@laptop"
        autosize
        minRows={3}
        maxRows={8}
        spellCheck={false}
        classNames={{ input: 'mono' }}
        onDragOver={event => event.preventDefault()}
        onDrop={event => {
          const file = event.dataTransfer.files[0];
          if (!file) return;
          event.preventDefault();
          void file.text().then(text => form.setFieldValue('keys', text.trim()));
        }}
        {...form.getInputProps('keys')}
      />
      <Group gap="xs">
        <Button variant="default" size="xs" leftSection={<IconDownload size={15} aria-hidden />} onClick={() => void generate()}>
          {t('users.key.generate')}
        </Button>
      </Group>
      {made === 'saved' && <Note tone="ok">{t('users.key.saved', { file: `${name}-ed25519` })}</Note>}
      {made === 'cannot' && <Note tone="warn">{t('users.key.cannot')}</Note>}
    </Stack>
  );
}

/** Public keys by name and fingerprint. */
export function KeyList({
  keys,
  remove,
  empty,
}: {
  readonly keys: readonly PublicKey[];
  readonly remove: ((key: PublicKey) => void) | undefined;
  readonly empty: string;
}) {
  const { t } = useSpeech();
  if (keys.length === 0) return <p className={classes.none}>{empty}</p>;
  return (
    <Lines>
      {keys.map(key => (
        <li key={key.fingerprint}>
          <div>
            <strong dir="auto">{key.comment || t('users.key.unnamed')}</strong> <span className={classes.kind}>{key.algorithm}</span>
            <br />
            <Copyable value={key.fingerprint} />
          </div>
          {remove && (
            <Button
              variant="default"
              size="xs"
              onClick={() => remove(key)}
              aria-label={t('users.key.remove', { name: key.comment || key.fingerprint })}
            >
              {t('common.remove')}
            </Button>
          )}
        </li>
      ))}
    </Lines>
  );
}
