import {
  type Delivery,
  DeliveryFailure,
  type GuardedAction,
  guardEnvelope,
  HUB_VERSION,
  HubError,
  type Outbound,
  type OutboundResponse,
  PermanentFailure,
  printable,
  type Receipt,
} from '#core/api.js';
import type { WebhookOptions } from './options.js';
import { signatureHeaders } from './signature.js';

type Headers = Readonly<Record<string, string>>;

const GUARD_TIMEOUT_MS = 5_000;
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;
const MAX_REASON_CHARACTERS = 200;

/** Delivers events, and asks before actions, over HTTP. */
export class WebhookSender {
  constructor(private readonly outbound: Outbound) {}

  /** The longest that one delivery takes, in milliseconds. */
  limitMs(options: WebhookOptions): number {
    return options.timeout ?? this.outbound.timeoutMs;
  }

  /**
   * POSTs the event as CloudEvents JSON, signed as Standard Webhooks with the event's id, and resolves on 2xx. Throws
   * PermanentFailure on 410, which disables the rule as well, and for a URL that can never be sent to; DeliveryFailure
   * otherwise, with the time after which to try again when 429 or 503 name one. A redirect is a failure.
   */
  async send(options: WebhookOptions, delivery: Delivery, signal: AbortSignal): Promise<Receipt> {
    const { event } = delivery;
    const body = JSON.stringify(event);
    const headers = headersOf(options, event.id, body);
    const request = headOf(options, headers);
    const response = await this.#post(options.url, headers, body, this.limitMs(options), signal).catch(error =>
      failDelivery(error, request),
    );
    const { status, body: answer } = response;
    const summary = `HTTP ${status}`;
    const told = { answer, request };
    if (status >= 200 && status < 300) return { summary, ...told };
    if (status === 410) throw new PermanentFailure(`${summary}: the receiver is gone for good`, { ...told, disable: true });
    if (status >= 300 && status < 400) throw new DeliveryFailure(`${summary}: answered with a redirect, which is not followed`, told);
    const retryAfterMs = status === 429 || status === 503 ? parseRetryAfter(response.headers['retry-after'], Date.now()) : undefined;
    throw new DeliveryFailure(summary, { ...told, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
  }

  /**
   * Asks the receiver whether an action may happen: 2xx allows. Throws HubError 'permission-denied' with the `detail`
   * of its problem+json (RFC 9457) on 403, and 'unavailable' on any other answer or none.
   */
  async ask(options: WebhookOptions, action: GuardedAction, signal: AbortSignal): Promise<void> {
    const envelope = guardEnvelope(action);
    const limitMs = options.timeout ?? Math.min(GUARD_TIMEOUT_MS, this.outbound.timeoutMs);
    const body = JSON.stringify(envelope);
    const response = await this.#post(options.url, headersOf(options, envelope.id, body), body, limitMs, signal).catch(error => {
      throw new HubError('unavailable', 'Refused: the check did not answer', { cause: error });
    });
    if (response.status >= 200 && response.status < 300) return;
    if (response.status === 403) throw new HubError('permission-denied', reasonOf(response.body));
    throw new HubError('unavailable', `Refused: the check answered with HTTP ${response.status}`);
  }

  #post(url: string, headers: Headers, body: string, timeoutMs: number, signal: AbortSignal): Promise<OutboundResponse> {
    return this.outbound.request(url, { method: 'POST', headers, body, timeoutMs, signal });
  }
}

function headersOf(options: WebhookOptions, id: string, body: string): Headers {
  return {
    ...options.headers,
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'user-agent': `entrepot/${HUB_VERSION}`,
    ...signatureHeaders(activeSecrets(options, Date.now()), id, new Date(), body),
  };
}

/** The first line of a request and its headers; those that the rule adds are secrets. */
function headOf({ url, headers: secret = {} }: WebhookOptions, headers: Headers): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${name in secret ? '(hidden)' : value}`);
  return [`POST ${url}`, ...lines].join('\n');
}

/**
 * Milliseconds from `now` that a Retry-After header (RFC 9110: seconds, or an HTTP date) asks to wait, at most 24 hours.
 * Undefined when there is none that can be read.
 */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  const delay = /^\d{1,10}$/.test(text) ? Number(text) * 1000 : /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) - now : Number.NaN;
  return Number.isNaN(delay) ? undefined : Math.min(Math.max(delay, 0), MAX_RETRY_AFTER_MS);
}

function activeSecrets({ secret, previousSecret, previousSecretUntil }: WebhookOptions, now: number): readonly string[] {
  return previousSecret && now < (previousSecretUntil ?? 0) ? [secret, previousSecret] : [secret];
}

function failDelivery(error: unknown, request: string): never {
  if (!(error instanceof HubError)) throw error;
  const Failure = error.code === 'invalid-request' ? PermanentFailure : DeliveryFailure;
  throw new Failure(error.message, { cause: error, request });
}

function reasonOf(body: string): string {
  try {
    const { detail } = JSON.parse(body) as { detail?: unknown };
    if (typeof detail === 'string' && detail.trim()) return printable(detail.trim()).slice(0, MAX_REASON_CHARACTERS);
  } catch {
    // Not JSON: there is no reason to show.
  }
  return 'refused by a rule';
}
