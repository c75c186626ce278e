import { HubError } from './errors.js';

/**
 * What `work` gives; throws 'unavailable' when it has not ended after `limitMs`. It goes on then, and what becomes of it is told to nobody.
 */
export async function withinTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new HubError('unavailable', `No answer within ${limitMs / 1_000} s`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
