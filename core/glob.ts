import { HubError } from './errors.js';

/** The longest pattern that compileGlob() takes, in UTF-16 units: bounds the work for each character of a text. */
export const MAX_GLOB_LENGTH = 256;

/** What compileGlob() may be told. */
export interface GlobOptions {
  /** Compares without regard to case; both sides are folded to lower case. */
  readonly caseInsensitive?: boolean;
}

interface Program {
  /** Code point that leads from state i to i + 1; ANY for '?'. */
  readonly steps: readonly number[];
  /** What state i swallows without moving on: bits of SEGMENT, ANYTHING and DIRECTORIES. One longer than `steps`. */
  readonly stays: readonly number[];
}

const SEGMENT = 1;
const ANYTHING = 2;
/** Text up to and including a '/', from where the state was first reached on. */
const DIRECTORIES = 4;

const ANY = -1;
const SLASH = 0x2f;

/**
 * A test for texts that `pattern` matches as a whole: '*' is anything but '/', '**' anything, '?' one character but
 * '/', and '**' as a whole segment also none at all ('/in/**' + '/a' matches '/in/a'). Everything else stands for
 * itself. Time is at most text length × pattern length, whatever the pattern. Throws 'invalid-request' for a pattern
 * longer than MAX_GLOB_LENGTH.
 */
export function compileGlob(pattern: string, options: GlobOptions = {}): (text: string) => boolean {
  if (pattern.length > MAX_GLOB_LENGTH) throw new HubError('invalid-request', `A pattern may have ${MAX_GLOB_LENGTH} characters`);
  const fold = options.caseInsensitive === true;
  const folded = fold ? pattern.toLowerCase() : pattern;
  if (!/[*?]/.test(folded)) return text => (fold ? text.toLowerCase() : text) === folded;
  const program = parse(folded);
  return text => run(program, fold ? text.toLowerCase() : text);
}

/** Why `pattern` can match no virtual path, as the end of a sentence; undefined when it can. */
export function pathPatternProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_GLOB_LENGTH) return `a pattern may have ${MAX_GLOB_LENGTH} characters`;
  return /^(?:\/|\*\*)/.test(pattern) ? undefined : "a pattern starts with '/' or '**', such as '/in/**/*.csv'";
}

function parse(pattern: string): Program {
  const steps: number[] = [];
  const stays: number[] = [0];
  for (const [token] of pattern.matchAll(/(?<![^/])\*\*+\/|\*+|./gsu)) {
    const here = stays.length - 1;
    if (token.startsWith('*')) {
      stays[here] = stays[here]! | (token === '*' ? SEGMENT : token.endsWith('/') ? DIRECTORIES : ANYTHING);
    } else {
      steps.push(token === '?' ? ANY : token.codePointAt(0)!);
      stays.push(0);
    }
  }
  return { steps, stays };
}

/** Walks all states at once, so there is nothing to backtrack. Only states up to `last` can have been reached. */
function run({ steps, stays }: Program, text: string): boolean {
  const alive = new Uint8Array(stays.length);
  const visited = new Uint8Array(stays.length);
  alive[0] = 1;
  let last = 0;
  for (let at = 0; at < text.length; ) {
    const point = text.codePointAt(at)!;
    at += point > 0xffff ? 2 : 1;
    let hope = false;
    if (last < steps.length) last++;
    for (let state = last; state >= 0; state--) {
      const stay = stays[state]!;
      if (alive[state]) visited[state] = 1;
      const came = state > 0 && alive[state - 1] === 1 && (steps[state - 1] === point || (steps[state - 1] === ANY && point !== SLASH));
      const stayed = alive[state] === 1 && ((stay & ANYTHING) !== 0 || ((stay & SEGMENT) !== 0 && point !== SLASH));
      const detour = (stay & DIRECTORIES) !== 0 && visited[state] === 1;
      alive[state] = came || stayed || (detour && point === SLASH) ? 1 : 0;
      hope ||= alive[state] === 1 || detour;
    }
    if (!hope) return false;
  }
  return alive[steps.length] === 1;
}
