import { HubError, toHubError } from '../errors.js';

/** What a storage throws, as a HubError. */
export async function inStorage<T>(work: Promise<T> | T): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toHubError(error);
  }
}

/** A method that a storage may have. Throws 'unsupported' when it has not; `what` says what that is. */
export function capability<T>(method: T | undefined, what: string): T {
  if (method === undefined) throw new HubError('unsupported', `The storage does not support ${what}`);
  return method;
}
