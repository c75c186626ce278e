import { z } from 'zod';
import { parseDuration, parseSize } from './quantities.js';

export { parseDuration, parseSize } from './quantities.js';

const DURATION = "a duration with its unit, such as '30s', '15m' or '24h'";

/** A setting that is a duration with its unit ('30s'); the parsed value is milliseconds. */
export function duration(byDefault: string) {
  return unit(byDefault, parseDuration, DURATION);
}

/** The same, or 'off', which is 0. */
export function durationOrOff(byDefault: string) {
  return unit(byDefault, text => (text.trim() === 'off' ? 0 : parseDuration(text)), `${DURATION}, or 'off'`);
}

/** A setting that is a size with its unit ('64MiB'); the parsed value is bytes. */
export function size(byDefault: string) {
  return unit(byDefault, parseSize, "a size with its unit, such as '64KiB' or '1GiB'");
}

/** A list of durations; the parsed value is milliseconds. */
export function durations(byDefault: readonly string[]) {
  return z.array(quantity(parseDuration, DURATION)).prefault([...byDefault]);
}

function unit(byDefault: string, parse: (text: string) => number | undefined, expected: string) {
  return quantity(parse, expected).prefault(byDefault);
}

function quantity(parse: (text: string) => number | undefined, expected: string) {
  return z.string({ error: `expected ${expected}` }).transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });
}
