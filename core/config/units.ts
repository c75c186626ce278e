import { z } from 'zod';

const DURATION_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

const DURATION = "a duration with its unit, such as '30s', '15m' or '24h'";

/** Milliseconds of a duration such as '30s', '15m', '1.5h' or '500ms'. Undefined when `text` is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  return match ? Math.round(Number(match[1]) * DURATION_MS[match[2] as keyof typeof DURATION_MS]) : undefined;
}

/** Bytes of a size such as '64MiB' or '512B'. Undefined when `text` is none. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|TiB)$/.exec(text.trim());
  return match ? Math.round(Number(match[1]) * SIZE_BYTES[match[2] as keyof typeof SIZE_BYTES]) : undefined;
}

/** A setting that is a duration with its unit ('30s'); the parsed value is milliseconds. */
export function duration(byDefault: string) {
  return unit(byDefault, parseDuration, DURATION);
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
