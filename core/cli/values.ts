import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../config/quantities.js';
import { HubError, toHubError } from '../errors.js';
import type { CliContext } from './context.js';

/** Collects an option that may be repeated. */
export function repeated(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** Collects options such as `--option root=/path`. */
export function assignments(value: string, before: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  const [name, rest] = split(value, 'NAME=VALUE, such as root=/srv/files');
  return { ...before, [name]: rest };
}

/** Collects options such as `--permission /path=list,download`: a list by path, empty where nothing stands after '='. */
export function listsByPath(
  value: string,
  before: Readonly<Record<string, readonly string[]>> | undefined,
): Readonly<Record<string, readonly string[]>> {
  const [path, rest] = split(value, '/PATH=ONE,TWO');
  if (!path.startsWith('/')) throw new InvalidArgumentError("Expected a path that starts with '/' before the '='.");
  return { ...before, [path]: commaList(rest) };
}

/** 'a,b' as a list; 'all' and '' as an empty one. */
export function commaList(value: string): readonly string[] {
  return value === 'all'
    ? []
    : value
        .split(',')
        .map(part => part.trim())
        .filter(part => part !== '');
}

/** A number from `minimum` on. */
export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (value: string) => number {
  return value => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= minimum && number <= maximum) return number;
    throw new InvalidArgumentError(
      maximum === Number.MAX_SAFE_INTEGER
        ? `Expected a number of at least ${minimum}.`
        : `Expected a number between ${minimum} and ${maximum}.`,
    );
  };
}

/** A point in time, in ms since 1970: a date of ISO 8601, or a duration such as '1h' that is counted back from now. */
export function pastTime(value: string): number {
  const ago = parseDuration(value);
  if (ago !== undefined) return Date.now() - ago;
  return date(value, "Expected a date such as 2026-03-01 or 2026-03-01T12:00, or a duration such as '1h' that is counted back.");
}

/** A point in time, in ms since 1970, or null for 'never'; a duration is counted from now. */
export function futureTime(value: string): number | null {
  if (value === 'never') return null;
  const ahead = parseDuration(value);
  if (ahead !== undefined) return Date.now() + ahead;
  return date(value, "Expected a date such as 2026-12-31, a duration such as '90d', or 'never'.");
}

/** The password in a file, '-' being standard input, without its line end. Throws 'invalid-request' when it is empty. */
export async function readPassword(context: CliContext, file: string): Promise<string> {
  const raw = await readText(context, file);
  const password = raw.replace(/\r?\n$/, '');
  if (password === '') throw new HubError('invalid-request', `The password in ${file === '-' ? 'standard input' : file} is empty`);
  if (/[\r\n]/.test(password))
    throw new HubError('invalid-request', `Expected a password on one line in ${file === '-' ? 'standard input' : file}`);
  return password;
}

/** Options whose values are the texts of files, '-' being standard input, each without its last line end: what nobody should see among the processes. */
export async function readOptions(context: CliContext, files: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
  const read: Record<string, string> = {};
  for (const [name, file] of Object.entries(files)) read[name] = (await readText(context, file)).replace(/\r?\n$/, '');
  return read;
}

/** The public keys in a file, one a line as in authorized_keys, '-' being standard input. Throws 'invalid-request' when there is none. */
export async function readKeys(context: CliContext, file: string): Promise<readonly string[]> {
  const lines = (await readText(context, file)).split('\n').map(line => line.trim());
  const keys = lines.filter(line => line !== '' && !line.startsWith('#'));
  if (keys.some(line => /PRIVATE KEY/.test(line)))
    throw new HubError('invalid-request', `${file} holds a private key; give the public one, which ends in .pub`);
  if (keys.length === 0) throw new HubError('invalid-request', `There is no public key in ${file}`);
  return keys;
}

async function readText(context: CliContext, file: string): Promise<string> {
  if (file === '-') return text(context.input);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new HubError(toHubError(error).code, `${file} cannot be read: ${toHubError(error).message}`, { cause: error });
  }
}

function split(value: string, form: string): readonly [string, string] {
  const at = value.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError(`Expected ${form}.`);
  return [value.slice(0, at), value.slice(at + 1)];
}

function date(value: string, expected: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}/.test(value) ? Date.parse(value.length === 10 ? `${value}T00:00` : value) : Number.NaN;
  if (Number.isNaN(ms)) throw new InvalidArgumentError(expected);
  return ms;
}
