import { didYouMean, parseDuration, pathPatternProblem, type RuleConditions } from '#core/api.js';

/** What the `@hook` lines of a file say. */
export interface HookHeader {
  readonly conditions: RuleConditions;
  readonly timeoutMs?: number;
  /** What a check that cannot be started, or takes too long, means. */
  readonly onError?: 'refuse' | 'allow';
}

const HEADER_LINES = 20;
const MAX_SHOWN = 100;
const MAX_TIMEOUT_MS = 3_600_000;
const MARKED_LINE = /^\s*(?:#|\/\/|\/?\*|--|;|%).*?@hook(?:\s+(.*?))?\s*(?:\*\/)?\s*$/;
const SETTING = /([^\s=]+)(?:=(?:"([^"]*)"|(\S*)))?/g;

type Draft = { -readonly [K in Exclude<keyof HookHeader, 'conditions'>]?: HookHeader[K] } & { paths: string[]; users: string[] };

const KEYS: Readonly<Record<string, (value: string, draft: Draft, guards: boolean) => string | undefined>> = {
  match(value, draft) {
    const patterns = list(value);
    const problem = patterns.map(patternProblem).find(found => found !== undefined);
    if (problem !== undefined) return problem;
    draft.paths.push(...patterns);
    return patterns.length > 0 ? undefined : 'match= needs a pattern';
  },
  users(value, draft) {
    const users = list(value);
    draft.users.push(...users);
    return users.length > 0 ? undefined : 'users= needs a name';
  },
  timeout(value, draft) {
    const timeoutMs = parseDuration(value);
    if (!timeoutMs || timeoutMs > MAX_TIMEOUT_MS) return `timeout=${value}: expected a duration of at most 1h, such as '60s'`;
    draft.timeoutMs = timeoutMs;
    return undefined;
  },
  'on-error'(value, draft, guards) {
    if (!guards) return 'on-error is only for before.* hooks; others are tried again';
    if (value !== 'allow' && value !== 'refuse') return `on-error=${value}: expected 'allow' or 'refuse'`;
    draft.onError = value;
    return undefined;
  },
};

/**
 * Reads the settings `key=value` behind `@hook` in the comments of the first 20 lines of `text`. Returns what is wrong,
 * as a sentence for the operator, when a key is unknown or a value cannot be understood.
 */
export function parseHeader(text: string, hook: string): HookHeader | string {
  const draft: Draft = { paths: [], users: [] };
  const guards = hook.startsWith('before.');
  for (const line of text.split(/\r?\n/, HEADER_LINES)) {
    for (const [, key, quoted, plain] of (MARKED_LINE.exec(line)?.[1] ?? '').matchAll(SETTING)) {
      const read = Object.hasOwn(KEYS, key!) ? KEYS[key!] : undefined;
      if (!read) return `unknown setting '${key}' after @hook${didYouMean(key!, Object.keys(KEYS))}`;
      const problem = read(quoted ?? plain ?? '', draft, guards);
      if (problem) return problem;
    }
  }
  const { paths, users, ...rest } = draft;
  if (paths.length > 0 && /^(?:before\.login|login\.|session\.)/.test(hook)) return `match has no meaning for ${hook}, which has no path`;
  return { ...rest, conditions: { ...(paths.length > 0 ? { paths } : {}), ...(users.length > 0 ? { users } : {}) } };
}

function patternProblem(pattern: string): string | undefined {
  const problem = pathPatternProblem(pattern);
  return problem && `match${pattern.length > MAX_SHOWN ? '' : `=${pattern}`}: ${problem}`;
}

function list(value: string): string[] {
  return value.split(',').filter(item => item !== '');
}
