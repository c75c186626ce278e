import { Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { notifications } from '@mantine/notifications';
import type { ReactNode } from 'react';
import { asProblem } from '../lib/problem.js';
import { useSpeech } from '../lib/texts.js';
import { nextStep } from './states.js';

/** What is asked before something is done that cannot be taken back. */
export interface Question {
  readonly title: string;
  /** What will be gone, and what stays. */
  readonly text: ReactNode;
  /** What the button does: 'Delete alice', not 'OK'. */
  readonly action: string;
  readonly harmless?: boolean;
}

/** Ways to ask and to tell. */
export interface Feedback {
  /** Asks; does `work` when the answer is yes, and tells of its failure. */
  readonly confirm: (question: Question, work: () => Promise<unknown>) => void;
  readonly done: (message: string) => void;
  /** Tells of something that was done, but does not work yet. */
  readonly warn: (title: string, message: string) => void;
  readonly failed: (title: string, error: unknown) => void;
  /** Does `work`, and tells how it went. Gives whether it went well. */
  readonly attempt: (title: string, work: () => Promise<unknown>, done?: string) => Promise<boolean>;
}

/** Dialogs and notices in the reader's language. */
export function useFeedback(): Feedback {
  const { t } = useSpeech();
  const done = (message: string) => {
    notifications.show({ message, color: 'green' });
  };
  const warn = (title: string, message: string) => {
    notifications.show({ title, message, color: 'yellow', autoClose: 12_000 });
  };
  const failed = (title: string, error: unknown) => {
    const problem = asProblem(error);
    const why = problem.code === 'unreachable' ? t('problem.unreachable') : problem.detail;
    notifications.show({ title, message: `${why} ${nextStep(problem, t)}`, color: 'red', autoClose: 12_000 });
  };
  const attempt = async (title: string, work: () => Promise<unknown>, message?: string) => {
    try {
      await work();
      if (message !== undefined) done(message);
      return true;
    } catch (error) {
      failed(title, error);
      return false;
    }
  };
  return {
    done,
    warn,
    failed,
    attempt,
    confirm: (question, work) => {
      modals.openConfirmModal({
        title: question.title,
        children: typeof question.text === 'string' ? <Text size="sm">{question.text}</Text> : question.text,
        labels: { confirm: question.action, cancel: t('common.cancel') },
        confirmProps: question.harmless ? {} : { color: 'red' },
        closeButtonProps: { 'aria-label': t('common.close') },
        onConfirm: () => void attempt(t('problem.doing', { action: question.action }), work),
      });
    },
  };
}
