import { factsOf } from './facts.js';
import type { HubEvent } from './types.js';

/** The head of a table of events (RFC 4180), without the end of its line, which is CRLF. */
export const CSV_HEAD = 'time,type,user,path,remoteAddress,id,data';

/** An event as a line of that table. What a spreadsheet would take for a formula begins with an apostrophe. */
export function csvLine(event: HubEvent): string {
  return cellsOf(event).map(cell).join(',');
}

function cellsOf({ time, type, id, data }: HubEvent): readonly string[] {
  const { user = '', path = '' } = factsOf(data);
  const { session, remoteAddress, admin } = data as {
    readonly session?: { remoteAddress?: string };
    readonly remoteAddress?: string;
    readonly admin?: string;
  };
  return [time, type, admin ?? user, path, remoteAddress ?? session?.remoteAddress ?? '', id, JSON.stringify(data)];
}

function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
