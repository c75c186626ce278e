import type { EventType, HubEvent } from './types.js';

/** One event on its way to one target: an action of a rule, or a handler of an extension. Targets are retried apart. */
export interface Delivery<T extends EventType = EventType> {
  readonly id: string;
  /** 'rule/<id>/<position>' or 'handler/<extension>/<name>'. */
  readonly target: string;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly event: HubEvent<T>;
}

/** A delivery as a queue hands it to whoever runs it. */
export interface ClaimedDelivery extends Delivery {
  /** How often it failed since it was recorded or retried by hand. Tries that were cut off do not count. */
  readonly failures: number;
}

/** What a target has to tell of a try that worked. */
export interface Receipt {
  /** One line: 'HTTP 200', 'exit 0'. */
  readonly summary: string;
  /** What the other side answered; the first 64 KiB are kept. */
  readonly answer?: string;
  /** What it was asked, without the event and without secrets: the first line and the headers of a request. The first 64 KiB are kept. */
  readonly request?: string;
}

interface FailureDetails extends ErrorOptions {
  /** What the other side answered; the first 64 KiB are kept. */
  readonly answer?: string;
  /** What it was asked, as in a receipt. */
  readonly request?: string;
  /** Not before this many milliseconds from now, whatever the schedule says. */
  readonly retryAfterMs?: number;
}

/** Thrown by a target when a try failed and more is known than a message. It is tried again. */
export class DeliveryFailure extends Error {
  readonly answer: string | undefined;
  readonly request: string | undefined;
  readonly retryAfterMs: number | undefined;
  constructor(message: string, details: FailureDetails = {}) {
    super(message, details);
    this.answer = details.answer;
    this.request = details.request;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Thrown by a target when trying again cannot help. With `disable` the rule is switched off as well. */
export class PermanentFailure extends DeliveryFailure {
  readonly disable: boolean;
  constructor(message: string, details: FailureDetails & { readonly disable?: boolean } = {}) {
    super(message, details);
    this.disable = details.disable ?? false;
  }
}

/** What a target bears, of all nodes together. */
export interface TargetLimits {
  /** How many tries are under way at the same time, at most. */
  readonly concurrency?: number | undefined;
  /** How many tries begin in a time, at most. */
  readonly rate?: { readonly tries: number; readonly perMs: number } | undefined;
}
