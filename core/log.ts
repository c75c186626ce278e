import { createRequire } from 'node:module';
import { type DestinationStream, pino } from 'pino';
import type { PinoPretty } from 'pino-pretty';

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

const SECRET_FIELDS = ['password', 'passwordHash', 'secret', 'token', 'privateKey', 'authorization'];

/**
 * A logger of `level`: human-readable lines on a terminal, JSON lines otherwise. Control and bidirectional characters
 * in fields are escaped in both, so that a file name cannot forge a line. Writes to standard error unless
 * `destination` is given.
 */
export function createLogger(level: LogLevel, format: 'auto' | 'json' | 'pretty' = 'auto', destination?: DestinationStream): Logger {
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true);
  const redact = { paths: SECRET_FIELDS.flatMap(field => [field, `*.${field}`, `*.*.${field}`]), censor: '[redacted]' };
  const stream = destination ?? (pretty ? prettyStream() : pino.destination({ dest: 2, sync: false }));
  return pino(
    { level, redact, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: label => ({ level: label }) } },
    stream,
  );
}

/** Loaded only where a person reads: it costs a hub in a container ten megabytes. */
function prettyStream(): DestinationStream {
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof PinoPretty;
  return pretty({ destination: 2, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', sync: true });
}
