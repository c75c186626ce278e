import { setTimeout as sleep } from 'node:timers/promises';
import { injectable } from 'tsyringe';
import { DeliveryRepository, type Outcome } from '../db/deliveries.js';
import { RuleRepository } from '../db/rules.js';
import { HubError } from '../errors.js';
import { ActionTypes } from './actions.js';
import { type ClaimedDelivery, DeliveryFailure, PermanentFailure, type Receipt } from './delivery.js';
import { nextAttempt } from './retry.js';
import { DATABASE_RULES, RuleTable, type TargetDefinition } from './rules.js';
import { EventSettings } from './settings.js';

/** What a try needs: its limit, and what to call. */
interface Task {
  readonly timeoutMs: number;
  readonly run: (signal: AbortSignal) => Promise<unknown>;
}

type Described = Pick<Outcome, 'summary' | 'answer' | 'request'>;

/** The summary of a try that has nothing to tell. */
const DONE = 'done';
const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_SUMMARY_LENGTH = 500;
/** The longest wait that a receiver may ask for. */
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;
/** Waits before the outcome is written again; after them the claim runs out, and the delivery is repeated. */
const WRITE_AGAIN_MS = [100, 1_000, 5_000];

/** Runs deliveries: finds what stands behind the target, keeps its time limit, records how it went. */
@injectable()
export class Dispatcher {
  constructor(
    private readonly rules: RuleTable,
    private readonly actions: ActionTypes,
    private readonly deliveries: DeliveryRepository,
    private readonly repository: RuleRepository,
    private readonly settings: EventSettings,
  ) {}

  /** Makes one try and records its outcome; never rejects. When `signal` aborts, the try is broken off and the delivery given back. */
  async run(delivery: ClaimedDelivery, signal: AbortSignal): Promise<void> {
    const definition = this.rules.find(delivery.target);
    const startedAt = Date.now();
    const clock = performance.now();
    const timing = () => ({ startedAt, durationMs: performance.now() - clock });
    try {
      const receipt = await within(this.#task(definition, delivery), signal);
      this.#count(delivery, 'succeeded', timing().durationMs);
      await this.#record(delivery, { ...timing(), succeeded: true, ...describeReceipt(receipt) });
    } catch (error) {
      if (signal.aborted) return this.#giveBack(delivery);
      this.#count(delivery, 'failed', timing().durationMs);
      const retryAt = this.#retryAt(delivery, error);
      const failure = describeFailure(error);
      await this.#record(delivery, { ...timing(), succeeded: false, ...failure, retryAt });
      this.#log(delivery, definition, failure.summary, retryAt);
      if (error instanceof PermanentFailure && error.disable) await this.#disable(definition);
    }
  }

  #count({ target }: ClaimedDelivery, result: 'succeeded' | 'failed', durationMs: number): void {
    const kind = this.rules.kindOf(target);
    this.settings.metrics.count('entrepot_delivery_attempts_total', { kind, result });
    this.settings.metrics.observe('entrepot_delivery_duration_seconds', { kind }, durationMs / 1_000);
  }

  #task(definition: TargetDefinition | undefined, delivery: ClaimedDelivery): Task {
    if (!definition) throw new PermanentFailure('What wanted this event is gone: the rule or the extension was removed');
    if (definition.kind === 'handler') {
      return { timeoutMs: DEFAULT_TIMEOUT_MS, run: signal => definition.handle(delivery.event, delivery, signal) };
    }
    const { type, options } = this.#prepare(definition);
    return { timeoutMs: type.timeoutMs?.(options) ?? DEFAULT_TIMEOUT_MS, run: signal => type.run(options, delivery, signal) };
  }

  #prepare({ action }: Extract<TargetDefinition, { kind: 'action' }>) {
    try {
      return this.actions.prepare(action);
    } catch (error) {
      throw new PermanentFailure(error instanceof HubError ? error.message : 'The action cannot be run', { cause: error });
    }
  }

  #retryAt(delivery: ClaimedDelivery, error: unknown): number | undefined {
    if (error instanceof PermanentFailure) return undefined;
    const scheduled = nextAttempt(delivery.failures + 1, new Date(), this.settings.retryMs)?.getTime();
    const asked = error instanceof DeliveryFailure ? error.retryAfterMs : undefined;
    if (scheduled === undefined || asked === undefined || !(asked > 0)) return scheduled;
    return Math.max(scheduled, Date.now() + Math.min(asked, MAX_RETRY_AFTER_MS));
  }

  async #record(delivery: ClaimedDelivery, outcome: Outcome): Promise<void> {
    await this.#write(delivery, async () => {
      const recorded = await this.deliveries.finish(delivery.id, delivery.attempt, outcome);
      if (!recorded) this.settings.log.warn({ delivery: delivery.id }, 'a try took longer than its claim, and was made again elsewhere');
    });
  }

  async #giveBack(delivery: ClaimedDelivery): Promise<void> {
    await this.#write(delivery, () => this.deliveries.release(delivery.id, delivery.attempt));
  }

  async #write(delivery: ClaimedDelivery, write: () => Promise<void>): Promise<void> {
    for (const waitMs of [...WRITE_AGAIN_MS, undefined]) {
      try {
        return await write();
      } catch (error) {
        if (waitMs === undefined) {
          const fields = { err: error, delivery: delivery.id, target: delivery.target };
          return this.settings.log.error(fields, 'the outcome of a delivery could not be recorded; it will be repeated');
        }
        await sleep(waitMs);
      }
    }
  }

  async #disable(definition: TargetDefinition | undefined): Promise<void> {
    if (definition?.kind !== 'action' || definition.source !== DATABASE_RULES) return;
    const { id, name } = definition.rule;
    try {
      await this.repository.setEnabled(id, false);
      this.settings.log.warn({ rule: name, id }, 'the receiver wants no more events: its rule is disabled, what waits for it is kept');
    } catch (error) {
      this.settings.log.error({ err: error, rule: name, id }, 'a rule could not be disabled');
    }
  }

  #log(delivery: ClaimedDelivery, definition: TargetDefinition | undefined, reason: string, retryAt: number | undefined): void {
    const fields = {
      delivery: delivery.id,
      event: delivery.event.id,
      type: delivery.event.type,
      target: delivery.target,
      ...(definition?.kind === 'action' && { rule: definition.rule.name }),
      attempt: delivery.attempt,
      reason,
    };
    if (retryAt === undefined) this.settings.log.error(fields, 'delivery failed for good; it waits for someone to retry or dismiss it');
    else this.settings.log.warn({ ...fields, retryAt: new Date(retryAt).toISOString() }, 'delivery failed, and is tried again');
  }
}

/** Ends at the limit or at `signal` also when the task takes no notice of it. */
async function within(task: Task, signal: AbortSignal): Promise<unknown> {
  const limit = new AbortController();
  const either = AbortSignal.any([signal, limit.signal]);
  let timer: NodeJS.Timeout | undefined;
  let end = (): void => {};
  const ended = new Promise<never>((_, reject) => {
    end = () => reject(either.reason);
    either.addEventListener('abort', end, { once: true });
    const late = (): void => limit.abort(new DeliveryFailure(`No answer within ${task.timeoutMs / 1_000} s`));
    if (Number.isFinite(task.timeoutMs)) timer = setTimeout(late, task.timeoutMs);
  });
  ended.catch(() => undefined);
  try {
    signal.throwIfAborted();
    return await Promise.race([task.run(either), ended]);
  } catch (error) {
    throw limit.signal.aborted ? limit.signal.reason : error;
  } finally {
    clearTimeout(timer);
    // Node keeps a combined signal for as long as somebody listens to it.
    either.removeEventListener('abort', end);
  }
}

function describeReceipt(receipt: unknown): Described {
  if (typeof receipt === 'string') {
    const summary = oneLine(receipt);
    return { summary: summary || DONE, answer: summary === receipt ? undefined : firstBytes(receipt), request: undefined };
  }
  const { summary, answer, request } = (receipt ?? {}) as Partial<Receipt>;
  return { summary: oneLine(summary ?? '') || DONE, answer: firstBytes(answer), request: firstBytes(request) };
}

function describeFailure(error: unknown): Described {
  const summary = oneLine(error instanceof Error ? error.message || error.name : String(error)) || 'failed';
  if (error instanceof DeliveryFailure) return { summary, answer: firstBytes(error.answer), request: firstBytes(error.request) };
  if (error instanceof HubError)
    return { summary, answer: error.cause === undefined ? undefined : firstBytes(trace(error.cause)), request: undefined };
  return { summary, answer: firstBytes(trace(error)), request: undefined };
}

/** The stack with those of its causes. */
function trace(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause === undefined || depth >= 5 ? own : `${own}\nCaused by: ${trace(error.cause, depth + 1)}`;
}

function oneLine(text: string): string {
  return text.trim().split('\n', 1)[0]!.slice(0, MAX_SUMMARY_LENGTH);
}

function firstBytes(text: string | undefined): string | undefined {
  if (text === undefined || Buffer.byteLength(text) <= MAX_ANSWER_BYTES) return text;
  // A character that the cut went through becomes U+FFFD, which is dropped.
  return Buffer.from(text)
    .subarray(0, MAX_ANSWER_BYTES)
    .toString()
    .replace(/\uFFFD+$/, '');
}
