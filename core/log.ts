import { type DestinationStream, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';

/** What a log line may carry beside its message. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes structured log lines. Secrets are redacted by field name, never by guessing. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger that adds `fields` to each line. */
  child(fields: LogFields): Logger;
}

/** From most to least talkative. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const SECRET_FIELDS = ['password', 'passwordHash', 'secret', 'token', 'privateKey', 'authorization', 'code'];

/** The fields of an error that belong into a log: its code and message, its causes, and the stack where it is a defect. */
export function errorFields(error: unknown): LogFields {
  return { err: error };
}

/**
 * A logger of `level`: human-readable lines on a terminal, JSON lines otherwise. Control and bidirectional characters
 * in fields are escaped in both, so that a file name cannot forge a line. Writes to standard error unless
 * `destination` is given.
 */
export function createLogger(level: LogLevel, format: 'auto' | 'json' | 'pretty' = 'auto', destination?: DestinationStream): Logger {
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true);
  const redact = { paths: SECRET_FIELDS.flatMap(field => [field, `*.${field}`, `*.*.${field}`]), censor: '[redacted]' };
  const stream = destination ?? (pretty ? PinoPretty({ destination: 2, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', sync: true }) : pino.destination({ dest: 2, sync: false }));
  return pino({ level, redact, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: label => ({ level: label }) } }, stream);
}

/** `text` with control, bidirectional and other invisible characters written as escapes, for tables and terminals. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, character => {
    const code = character.codePointAt(0)!;
    const short = ({ 9: '\\t', 10: '\\n', 13: '\\r' } as Readonly<Record<number, string>>)[code];
    return short ?? (code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`);
  });
}
