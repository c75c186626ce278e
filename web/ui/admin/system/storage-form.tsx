import { type ReactNode, useState } from 'react';
import type { StorageTest as Outcome } from '../../api-types.js';
import { Button, Status, useFeedback } from '../../components/index.js';
import { type ObjectSchema, SchemaFields } from '../../components/schema-form.js';
import { Problem } from '../../lib/problem.js';
import { request } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';

/** What was typed into the fields of a storage, and what the hub said of it. */
export interface StorageOptions {
  readonly values: Readonly<Record<string, unknown>>;
  readonly errors: Readonly<Record<string, string>>;
  readonly change: (name: string, value: unknown) => void;
  readonly reset: () => void;
  /** Runs what sends them; what is refused of an option is shown at its field. */
  readonly sending: <T>(send: () => Promise<T>) => Promise<T>;
}

/** The state of the fields that are drawn from a schema. */
export function useStorageOptions(initial: Readonly<Record<string, unknown>> = {}): StorageOptions {
  const [values, setValues] = useState(initial);
  const [errors, setErrors] = useState<Readonly<Record<string, string>>>({});
  return {
    values,
    errors,
    change: (name, value) => setValues(before => ({ ...before, [name]: value })),
    reset: () => setValues({}),
    sending: async send => {
      setErrors({});
      try {
        return await send();
      } catch (error) {
        if (error instanceof Problem) setErrors(ofOptions(error));
        throw error;
      }
    },
  };
}

/** A field for each option of a kind. */
export function OptionFields({ schema, options }: { readonly schema: ObjectSchema; readonly options: StorageOptions }) {
  return <SchemaFields schema={schema} values={options.values} errors={options.errors} change={options.change} />;
}

/** Tests a storage by an API route, and shows beside the button how that went. */
export function TestStorage({
  path,
  body,
  size = 'sm',
  children,
}: {
  readonly path: string;
  readonly body?: object;
  readonly size?: 'xs' | 'sm';
  readonly children?: ReactNode;
}) {
  const { t, format } = useSpeech();
  const { failed } = useFeedback();
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();
  const test = async () => {
    setBusy(true);
    try {
      setOutcome((await request<Outcome>('POST', path, { body })).data);
    } catch (error) {
      failed(t('storages.test'), error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button variant="default" size={size} loading={busy} onClick={() => void test()}>
        {t('storages.test')}
      </Button>
      {children}
      <span aria-live="polite">
        {outcome && (
          <Status tone={outcome.ok ? 'ok' : 'bad'}>
            {outcome.ok ? t('storages.works', { time: format.duration(outcome.durationMs) }) : outcome.message}
          </Status>
        )}
      </span>
    </>
  );
}

/** What a problem says of options, by their names. */
function ofOptions(problem: Problem): Readonly<Record<string, string>> {
  const own = problem.errors.map(error => ({ ...error, option: /^\/options\/([^/]+)/.exec(error.pointer)?.[1] }));
  return Object.fromEntries(own.flatMap(({ option, detail }) => (option === undefined ? [] : [[option, detail]])));
}
