import { Checkbox, Fields, Group, NumberInput, TagsInput, TextInput } from '../../components/index.js';
import type { User } from '../../lib/model.js';
import { useSpeech } from '../../lib/texts.js';

/** What holds for a user's logins, as its form has it. */
export interface Limits extends Record<string, unknown> {
  expiresAt: string;
  protocols: string[];
  addresses: string[];
  maxSessions: number | '';
}

const PROTOCOLS = ['sftp', 'ftp', 'web'] as const;

/** A user without limits. */
export const noLimits: Limits = { expiresAt: '', protocols: [], addresses: [], maxSessions: '' };

/** The limits of a user, as the form has them. */
export function limitsOf(user: User): Limits {
  return {
    expiresAt: user.expiresAt === null ? '' : localTime(user.expiresAt),
    protocols: [...user.protocols],
    addresses: [...user.addresses],
    maxSessions: user.maxSessions ?? '',
  };
}

/** What of the form the API is told. */
export function limitsBody(values: Limits): object {
  return {
    expiresAt: values.expiresAt === '' ? null : new Date(values.expiresAt).getTime(),
    protocols: values.protocols,
    addresses: values.addresses,
    maxSessions: values.maxSessions === '' ? null : values.maxSessions,
  };
}

/** How an input of type datetime-local writes a moment. */
function localTime(time: number): string {
  const date = new Date(time);
  return new Date(time - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

interface LimitsForm {
  getInputProps(field: string): { value?: unknown; onChange?: unknown; error?: React.ReactNode };
}

/** From where, by what, how often at a time and until when a user may log in. */
export function LimitsFields({ form }: { readonly form: LimitsForm }) {
  const { t } = useSpeech();
  return (
    <>
      <Checkbox.Group label={t('users.protocols')} description={t('users.protocols.help')} {...(form.getInputProps('protocols') as object)}>
        <Group gap="lg" mt={4}>
          {PROTOCOLS.map(protocol => (
            <Checkbox key={protocol} value={protocol} label={t(`protocol.${protocol}`)} />
          ))}
        </Group>
      </Checkbox.Group>
      <TagsInput
        label={t('users.addresses')}
        description={t('users.addresses.help')}
        placeholder="192.168.0.0/16"
        splitChars={[',', ' ']}
        acceptValueOnBlur
        {...(form.getInputProps('addresses') as object)}
      />
      <Fields>
        <NumberInput
          label={t('users.maxSessions')}
          description={t('users.maxSessions.help')}
          min={1}
          allowDecimal={false}
          {...(form.getInputProps('maxSessions') as object)}
        />
        <TextInput
          type="datetime-local"
          label={t('users.expiresAt')}
          description={t('users.expiresAt.help')}
          {...(form.getInputProps('expiresAt') as object)}
        />
      </Fields>
    </>
  );
}
