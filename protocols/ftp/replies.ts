import { type ErrorCode, HubError } from '#core/api.js';
import { REPLY_TEXTS } from './ftp-srv.js';

/** A reply code and its lines; without lines the usual text of the code. */
export type Reply = readonly [code: number, ...lines: string[]];

const CODE_OF = {
  'invalid-request': 501,
  'authentication-failed': 530,
  'second-factor-required': 530,
  'permission-denied': 550,
  'not-found': 550,
  'already-exists': 553,
  'not-a-directory': 550,
  'is-a-directory': 550,
  'directory-not-empty': 550,
  'quota-exceeded': 552,
  'too-large': 552,
  locked: 450,
  conflict: 550,
  unsupported: 504,
  'rate-limited': 421,
  'too-many-sessions': 421,
  unavailable: 451,
  aborted: 426,
  internal: 451,
} as const satisfies Record<ErrorCode, number>;

/** The reply to what went wrong (RFC 959, section 4.2), with its message, which is safe to show. */
export function failureReply(error: HubError): Reply {
  return error instanceof Refusal ? error.reply : [CODE_OF[error.code], error.message];
}

/** A reply as it goes over the wire: several lines as RFC 959 wants them, and nothing in them that could end one. */
export function layOut([code, ...lines]: Reply): string {
  const texts = (lines.length > 0 ? lines : [REPLY_TEXTS[code] ?? 'Done']).map(oneLine);
  const last = texts.pop()!;
  if (texts.length === 0) return `${code} ${last}\r\n`;
  const [first, ...rest] = texts;
  // A line in the middle that began with a code would be taken for the last one.
  return `${[`${code}-${first}`, ...rest.map(line => (line.startsWith(' ') ? line : ` ${line}`)), `${code} ${last}`].join('\r\n')}\r\n`;
}

/** A path between quotes, those in it doubled (RFC 959, appendix II). */
export function quoted(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}

function oneLine(text: string): string {
  return text.replace(/[\r\n\0]/g, '?');
}

/** Ends a command with a reply of its own, where the table of codes has none that says enough. */
export class Refusal extends HubError {
  readonly reply: Reply;

  constructor(code: number, text: string) {
    super(code < 500 ? 'unavailable' : 'invalid-request', text);
    this.reply = [code, text];
  }
}
