import type { Language } from './preferences.js';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const SPANS: readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];

/** Numbers, sizes and times as a language writes them. */
export class Formats {
  readonly #number: Intl.NumberFormat;
  readonly #decimal: Intl.NumberFormat;
  readonly #relative: Intl.RelativeTimeFormat;
  readonly #exact: Intl.DateTimeFormat;
  readonly #day: Intl.DateTimeFormat;
  readonly #clock: Intl.DateTimeFormat;

  constructor(readonly language: Language) {
    this.#number = new Intl.NumberFormat(language);
    this.#decimal = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
    this.#relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'long' });
    this.#exact = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'long' });
    this.#day = new Intl.DateTimeFormat(language, { dateStyle: 'medium' });
    this.#clock = new Intl.DateTimeFormat(language, { timeStyle: 'medium' });
  }

  number(value: number): string {
    return this.#number.format(value);
  }

  /** In binary units with one decimal at most. */
  bytes(value: number): string {
    let power = 0;
    let scaled = value;
    while (scaled >= 1024 && power < UNITS.length - 1) {
      scaled /= 1024;
      power += 1;
    }
    return `${(power === 0 ? this.#number : this.#decimal).format(scaled)} ${UNITS[power]}`;
  }

  speed(bytesPerSecond: number): string {
    return `${this.bytes(bytesPerSecond)}/s`;
  }

  /** '3 minutes ago'; 'in 2 hours' for what is to come. */
  relative(time: Date, now: number): string {
    const seconds = (time.getTime() - now) / 1000;
    for (const [unit, length] of SPANS) {
      if (Math.abs(seconds) >= length || unit === 'second') return this.#relative.format(Math.trunc(seconds / length), unit);
    }
    return '';
  }

  /** The whole date and time with the zone. */
  exact(time: Date): string {
    return this.#exact.format(time);
  }

  day(time: Date): string {
    return this.#day.format(time);
  }

  clock(time: Date): string {
    return this.#clock.format(time);
  }

  /** '850 ms', '1.2 s', '3 min 4 s', '2 h 10 min'. */
  duration(ms: number): string {
    if (ms < 1000) return `${this.number(Math.round(ms))} ms`;
    if (ms < 60_000) return `${this.#decimal.format(ms / 1000)} s`;
    const minutes = Math.floor(ms / 60_000);
    if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`;
    const hours = Math.floor(minutes / 60);
    return hours < 48 ? `${hours} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}` : `${this.number(Math.floor(hours / 24))} d`;
  }
}

/** The moment that the API names, in whichever of its two ways: RFC 3339 or milliseconds since 1970. */
export function moment(value: string | number): Date {
  return new Date(value);
}
