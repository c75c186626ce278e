import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import type { TableRow } from '../db/tables.js';
import { HubError } from '../errors.js';

/** The first line of a backup. */
export interface BackupHead {
  readonly format: 'entrepot-backup';
  readonly version: 1;
  /** Of the hub that made it. */
  readonly hub: string;
  readonly node: string;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  /** What the schema of the tables was made by. */
  readonly migrations: readonly string[];
}

/** A small file of the data directory, such as a host key: sealed, so that a backup alone gives no key away. */
export interface BackupFile {
  /** 'host-keys/<name>' or 'tls/<name>'. */
  readonly file: string;
  readonly sealed: string;
}

/** What a backup holds of one table. */
export interface TableEnd {
  readonly end: string;
  readonly rows: number;
  /** Of all rows, in whatever order they come. */
  readonly digest: string;
}

/** One line of a backup but the last, which is the checksum of the lines before it. */
export type BackupLine =
  | BackupHead
  | BackupFile
  | { readonly table: string; readonly columns: readonly string[] }
  | { readonly row: TableRow }
  | TableEnd;

const MAX_LINE_CHARACTERS = 64 * 1024 * 1024;

/** Adds up rows, whatever their order: two tables with one digest hold the same. */
export class RowDigest {
  #sum = 0n;
  rows = 0;

  add(row: TableRow): void {
    this.rows++;
    this.#sum += BigInt(`0x${createHash('sha256').update(JSON.stringify(row)).digest('hex')}`);
  }

  toString(): string {
    return BigInt.asUintN(256, this.#sum).toString(16).padStart(64, '0');
  }
}

/** Lays out lines as the text of a backup, and adds the checksum at the end. */
export async function* encodeBackup(lines: AsyncIterable<BackupLine>): AsyncGenerator<string> {
  const hash = createHash('sha256');
  for await (const line of lines) {
    const text = `${JSON.stringify('row' in line ? line.row : line)}\n`;
    hash.update(text);
    yield text;
  }
  yield `${JSON.stringify({ sha256: hash.digest('hex') })}\n`;
}

/**
 * The lines of the backup `file`, one after the other. Throws 'not-found', or 'invalid-request' for what is no backup, is of a newer
 * version, or is damaged or cut off: only who has read to the end without an error knows that it is whole.
 */
export async function* readBackup(file: string): AsyncGenerator<BackupLine> {
  const hash = createHash('sha256');
  let last: { readonly sha256?: unknown } | undefined;
  let first = true;
  try {
    for await (const text of linesOf(file)) {
      if (last) throw damaged(file, 'something stands behind its end');
      const line = parse(file, text);
      if (first) requireHead(file, line);
      first = false;
      if ('sha256' in line) last = line;
      else yield readLine(line, hash, text);
    }
  } catch (error) {
    throw readingError(file, error);
  }
  if (!last) throw damaged(file, 'its end is missing');
  if (last.sha256 !== hash.digest('hex')) throw damaged(file, 'its checksum is wrong');
}

function readLine(line: object, hash: Hash, text: string): BackupLine {
  hash.update(`${text}\n`);
  return Array.isArray(line) ? { row: line as TableRow } : (line as BackupLine);
}

function parse(file: string, text: string): object {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    line = undefined;
  }
  if (typeof line !== 'object' || line === null) throw damaged(file, 'it holds a line that is none of a backup');
  return line;
}

function requireHead(file: string, line: object): void {
  const { format, version, migrations } = line as Partial<BackupHead>;
  if (format !== 'entrepot-backup') throw new HubError('invalid-request', `${file} is no backup of a hub.`);
  if (version !== 1 || !Array.isArray(migrations))
    throw new HubError('unsupported', `${file} was made by a newer version of Entrepot: restore it with that version.`);
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const source = createReadStream(file);
  const unpacked = source.pipe(createGunzip());
  source.on('error', error => unpacked.destroy(error));
  let rest = '';
  try {
    for await (const chunk of unpacked.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      if (rest.length > MAX_LINE_CHARACTERS) throw damaged(file, 'one of its lines does not end');
      yield* lines;
    }
    if (rest !== '') throw damaged(file, 'its last line is cut off');
  } finally {
    source.destroy();
  }
}

function readingError(file: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof HubError) return error;
  if (code === 'ENOENT') return new HubError('not-found', `There is no file ${file}.`);
  if (code === 'Z_DATA_ERROR' || code === 'Z_BUF_ERROR') return damaged(file, 'it is no gzip file, or is cut off', error);
  return new HubError('unavailable', `${file} cannot be read: ${(error as Error).message}.`, { cause: error });
}

function damaged(file: string, reason: string, cause?: unknown): HubError {
  return new HubError('invalid-request', `The backup ${file} is damaged: ${reason}. Nothing was changed.`, { cause });
}
