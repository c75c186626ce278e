import type { Request } from '@hapi/hapi';
import { HubError } from '#core/api.js';
import { digestOf } from '#core/db/web-sessions.js';
import type { WebServices } from '../services.js';
import { Answer, type AnswerHeaders, isResponse, type Route } from './route.js';

/** What is kept of an answer. */
interface Kept {
  readonly value?: unknown;
  readonly headers: AnswerHeaders;
}

/**
 * Runs a POST that carries Idempotency-Key once: who sends it again, of the same account and within a day, is given the same answer.
 * A request that failed may be tried again, and so may one whose answer is more than a value, such as a login, which sets a cookie. Throws 'locked' while the first is under way, 'invalid-request' for a key of another request.
 */
export async function once(
  { idempotency, log }: WebServices,
  route: Route,
  request: Request,
  work: () => Promise<unknown>,
): Promise<unknown> {
  const header = request.raw.req.headers['idempotency-key'];
  const { caller } = request.app;
  if (route.method !== 'POST' || header === undefined || !caller || route.rawBody !== undefined) return work();
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(header))
    throw new HubError('invalid-request', 'Idempotency-Key has 1 to 255 signs of ASCII, without spaces');
  const key = digestOf(`${caller.kind} ${caller.account.id} ${header}`);
  const earlier = await idempotency.claim(key, `${request.path}\n${JSON.stringify(request.payload ?? null)}`);
  if (earlier === 'running') throw new HubError('locked', 'The same request is under way');
  if (earlier === 'other') throw new HubError('invalid-request', 'The Idempotency-Key was used for another request');
  if (earlier !== 'new') {
    const { value, headers } = JSON.parse(earlier.answer) as Kept;
    return new Answer(value, headers);
  }
  const given = await work().catch(async (error: unknown) => {
    await idempotency.forget(key);
    throw error;
  });
  const kept: Kept = given instanceof Answer ? { value: given.value, headers: given.headers } : { value: given, headers: {} };
  // It is done, and its answer is given, whatever becomes of what is kept.
  await (isResponse(given) ? idempotency.forget(key) : idempotency.keep(key, JSON.stringify(kept))).catch((error: unknown) =>
    log.warn({ err: error, action: route.id }, 'an answer could not be kept for who asks again'),
  );
  return given;
}
