import { HubError } from '#core/api.js';

const MAX_LENGTH = 32 * 1024;
/** What a shell would take for more than a word. */
const OPERATORS = new Set('|&;<>()$`\n\r');
/** What a backslash takes the meaning of within double quotes. */
const ESCAPED_IN_QUOTES = new Set('"\\$`');

/**
 * The words of a command line, by the quoting of a shell and nothing else of it: single and double quotes and backslashes; patterns
 * are words. Throws 'invalid-request' for what only a shell could do, for open quotes, and for what is no UTF-8.
 */
export function splitCommand(line: string): readonly string[] {
  if (line.length > MAX_LENGTH || line.includes('\0') || line.includes('\ufffd')) throw new HubError('invalid-request', 'Not a command');
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (char === ' ' || char === '\t') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "'") {
      const end = line.indexOf("'", at + 1);
      if (end < 0) throw openQuote();
      word = (word ?? '') + line.slice(at + 1, end);
      at = end;
    } else if (char === '"') {
      const { text, end } = doubleQuoted(line, at + 1);
      word = (word ?? '') + text;
      at = end;
    } else if (char === '\\') {
      if (++at === line.length) throw openQuote();
      word = (word ?? '') + line[at];
    } else if (OPERATORS.has(char)) {
      throw noShell();
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

function doubleQuoted(line: string, start: number): { readonly text: string; readonly end: number } {
  let text = '';
  for (let at = start; at < line.length; at++) {
    const char = line[at]!;
    if (char === '"') return { text, end: at };
    if (char === '$' || char === '`') throw noShell();
    if (char === '\\' && ESCAPED_IN_QUOTES.has(line[at + 1] ?? '')) at++;
    text += line[at];
  }
  throw openQuote();
}

const openQuote = () => new HubError('invalid-request', 'A quote is not closed');
const noShell = () => new HubError('invalid-request', 'There is no shell here');
