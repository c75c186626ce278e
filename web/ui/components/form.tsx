import { Button } from '@mantine/core';
import { type FormErrors, type UseFormReturnType, useForm } from '@mantine/form';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { asProblem, type Problem } from '../lib/problem.js';
import { useSpeech } from '../lib/texts.js';
import { LoadNewer, useFollowing } from './followed.js';
import classes from './form.module.css';
import { ProblemPanel } from './states.js';

/** A form that the hub checks: what it refuses is shown at the field that it points to. */
export interface HubForm<T> extends UseFormReturnType<T> {
  /** What no field could show. */
  readonly problem: Problem | undefined;
  readonly busy: boolean;
  readonly send: () => Promise<void>;
}

/** What a form begins with, what it is sent by, and what then happens. */
export interface HubFormOptions<T, R> {
  readonly initial: T;
  readonly send: (values: T) => Promise<R>;
  readonly done?: (result: R, values: T) => void;
  /** Checks that need no hub: text by field. */
  readonly check?: (values: T) => FormErrors;
  /** Whether anything was changed, where fields are not the form's own. */
  readonly touched?: boolean;
  /** Fields that the API calls otherwise: '/home' → 'homeDirectory'. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** A form whose refusals come from the hub. */
export function useHubForm<T extends Record<string, unknown>, R = unknown>(options: HubFormOptions<T, R>): HubForm<T> {
  const form = useForm<T>({ initialValues: options.initial, ...(options.check && { validate: options.check }) });
  const [problem, setProblem] = useState<Problem>();
  const { saved, refused } = useFollowing(options.touched ?? form.isDirty());
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setProblem(undefined);
    if (form.validate().hasErrors) return focusFirstError();
    setBusy(true);
    try {
      const values = form.getValues();
      const result = await options.send(values);
      form.resetDirty(values);
      saved();
      options.done?.(result, values);
    } catch (error) {
      refused(error);
      const found = asProblem(error);
      const { shown, rest } = placed(found, form.getValues(), options.fields ?? {});
      form.setErrors(shown);
      setProblem(rest);
      focusFirstError();
    } finally {
      setBusy(false);
    }
  };
  return { ...form, problem, busy, send };
}

function focusFirstError(): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>('form [aria-invalid=true]')?.focus());
}

/** Which errors have a field, and what is left of the problem. */
function placed(problem: Problem, values: Readonly<Record<string, unknown>>, names: Readonly<Record<string, string>>) {
  const shown: Record<string, string> = {};
  const unplaced = problem.errors.filter(({ pointer, detail }) => {
    const [top = '', ...below] = pointer
      .replace(/^\//, '')
      .split('/')
      .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'));
    const name = names[pointer] ?? names[`/${top}`] ?? top;
    if (!(name.split('.')[0]! in values)) return true;
    shown[name] = below.length > 0 && shown[name] ? `${shown[name]}; ${detail}` : detail;
    return false;
  });
  const rest = problem.errors.length > 0 && unplaced.length === 0 ? undefined : problem;
  return { shown, rest };
}

/** The form element, its problem on top and its buttons below. */
export function Form<T>({
  form,
  submit,
  cancel,
  children,
  extra,
  plain,
}: {
  readonly form: HubForm<T>;
  /** What the button does: 'Add user', not 'Submit'. */
  readonly submit: string;
  readonly cancel?: () => void;
  readonly children: ReactNode;
  /** Beside the buttons. */
  readonly extra?: ReactNode;
  /** One wide button, as a login has. */
  readonly plain?: boolean;
}) {
  const { t } = useSpeech();
  const top = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (form.problem) top.current?.scrollIntoView({ block: 'nearest' });
  }, [form.problem]);
  return (
    <form
      noValidate
      className={classes.form}
      onSubmit={event => {
        event.preventDefault();
        void form.send();
      }}
    >
      <div ref={top}>{form.problem && <ProblemPanel title={t('problem.saving')} error={form.problem} action={<LoadNewer />} />}</div>
      {children}
      <div className={plain ? classes.wide : classes.buttons}>
        <Button type="submit" loading={form.busy} fullWidth={plain ?? false} size={plain ? 'md' : 'sm'}>
          {submit}
        </Button>
        {cancel && (
          <Button variant="default" onClick={cancel}>
            {t('common.cancel')}
          </Button>
        )}
        {extra}
      </div>
    </form>
  );
}

/** Fields side by side where there is room. */
export function Fields({ children }: { readonly children: ReactNode }) {
  return <div className={classes.fields}>{children}</div>;
}
