import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { BIN_MS } from '../events/traffic-history.js';
import { operation } from './operation.js';

/** The first reading of a day with many transfers takes longer than anybody should wait. */
const READING_MS = 1_000;

/** What was moved, over time. */
export const trafficOperations = {
  /** Bins of the last 24 hours that have traffic, oldest first; incomplete as long as the records are being read. */
  'traffic.show': operation(z.strictObject({}), async ({ traffic }) => {
    const reading = traffic.update();
    reading.catch(() => undefined);
    await Promise.race([reading, delay(READING_MS, undefined, { ref: false })]);
    return { binMs: BIN_MS, bins: [...traffic.bins()], complete: traffic.complete };
  }),
};
