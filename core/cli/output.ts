import { printable } from '../printable.js';
import type { CliContext, GlobalOptions } from './context.js';

/** A column of a table: its head, and what a row shows there. */
export interface Column<T> {
  readonly head: string;
  readonly value: (row: T) => string | number | undefined;
  readonly align?: 'right';
}

/** The widest column that rows are aligned by. */
const MAX_COLUMN = 48;

/** Writes what commands have to say: for people, or as JSON where `--json` is given. */
export class Output {
  constructor(
    private readonly context: CliContext,
    private readonly options: GlobalOptions,
  ) {}

  get json(): boolean {
    return this.options.json === true;
  }

  /** `data` as JSON, or what `text` makes of it. */
  result<T>(data: T, text: (data: T) => string): void {
    this.write(this.json ? JSON.stringify(data, undefined, this.context.output.isTTY ? 2 : undefined) : text(data));
  }

  /** One line a row; a table that would be empty is `empty` instead. Everything that could move the cursor is escaped. */
  table<T>(rows: readonly T[], columns: readonly Column<T>[], empty: string): string {
    return rows.length === 0 ? empty : renderTable(rows, columns, wantsColour(this.context));
  }

  /** Text of others, its lines kept and everything that could move the cursor escaped. */
  plain(text: string): string {
    return text.split(/\r?\n/).map(printable).join('\n');
  }

  write(text: string): void {
    this.context.output.write(`${text}\n`);
  }

  /** A remark that is not part of the result. */
  note(text: string): void {
    this.context.errors.write(`${text}\n`);
  }
}

/** Rows under heads, aligned by what a terminal shows. A cell over 48 columns is shown whole and shifts the rest of its own row only. */
export function renderTable<T>(rows: readonly T[], columns: readonly Column<T>[], colour = false): string {
  const cells = rows.map(row => columns.map(({ value }) => cellText(value(row))));
  const widths = columns.map(({ head }, index) => Math.max(width(head), ...cells.map(row => width(row[index]!)).filter(fits)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, index) =>
        pad(cell, index === row.length - 1 && columns[index]!.align !== 'right' ? 0 : widths[index]!, columns[index]!.align),
      )
      .join('  ');
  const head = line(columns.map(column => column.head));
  return [colour ? `\x1b[1m${head}\x1b[22m` : head, ...cells.map(line)].join('\n');
}

/** What a table shows of a value: '-' for none, and in quotes where it begins or ends with what nobody sees. */
export function cellText(value: string | number | undefined): string {
  const text = String(value ?? '');
  const shown = printable(text);
  return /^\s|\s$/.test(text) ? `"${shown}"` : shown || '-';
}

function fits(columns: number): boolean {
  return columns <= MAX_COLUMN;
}

/** Name and value, one a line. */
export function renderFields(fields: readonly (readonly [name: string, value: string | number | undefined])[]): string {
  const shown = fields.filter(([, value]) => value !== undefined && value !== '');
  const widest = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${`${name}:`.padEnd(widest + 2)}${printable(String(value))}`).join('\n');
}

/** Lines in a box with a title. */
export function renderBox(title: string, lines: readonly string[]): string {
  const widest = Math.max(width(title) + 2, ...lines.map(width));
  const rule = (left: string, text: string, right: string) => `${left}${text}${'─'.repeat(widest + 2 - width(text))}${right}`;
  return [rule('┌', `─ ${title} `, '┐'), ...lines.map(line => `│ ${pad(line, widest)} │`), rule('└', '', '┘')].join('\n');
}

/** '2026-03-01 14:05:09', local time; '' for none. */
export function time(ms: number | string | undefined): string {
  if (ms === undefined) return '';
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** '850 ms', '12.3 s', '4 min', '3 h', '2 d'. */
export function lasting(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

/** Whether to use colours: on a terminal, unless NO_COLOR is set (no-color.org). */
export function wantsColour({ env, output }: CliContext): boolean {
  return output.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

const WIDE =
  /[\u{1100}-\u{115f}\u{2e80}-\u{a4cf}\u{ac00}-\u{d7a3}\u{f900}-\u{faff}\u{fe30}-\u{fe6f}\u{ff00}-\u{ff60}\u{ffe0}-\u{ffe6}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

function width(text: string): number {
  let columns = 0;
  for (const character of text) columns += /\p{Mn}/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return columns;
}

function pad(text: string, columns: number, align?: 'right'): string {
  const space = ' '.repeat(Math.max(0, columns - width(text)));
  return align === 'right' ? space + text : text + space;
}
