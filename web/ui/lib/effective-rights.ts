import type { Permissions } from './model.js';

/** What holds at a path, and the entry that says so: the nearest of its ancestors, whose segments may hold '*' and '?'. */
export function effectiveRights(permissions: Permissions, path: string): { readonly rights: readonly string[]; readonly from: string } {
  const segments = path.split('/').filter(segment => segment !== '');
  for (let depth = segments.length; depth >= 0; depth -= 1) {
    const found = Object.keys(permissions).find(entry => matches(entry, segments.slice(0, depth)));
    if (found !== undefined) return { rights: permissions[found] ?? [], from: found };
  }
  return { rights: [], from: '/' };
}

function matches(entry: string, segments: readonly string[]): boolean {
  const patterns = entry.split('/').filter(segment => segment !== '');
  return patterns.length === segments.length && patterns.every((pattern, index) => segmentMatches(pattern, segments[index]!));
}

/** Linear in both: an admin types the pattern. */
function segmentMatches(pattern: string, name: string): boolean {
  let [at, in_, star, mark] = [0, 0, -1, 0];
  while (in_ < name.length) {
    if (pattern[at] === '?' || (pattern[at] === name[in_] && pattern[at] !== '*')) {
      at += 1;
      in_ += 1;
    } else if (pattern[at] === '*') {
      star = at;
      mark = in_;
      at += 1;
    } else if (star >= 0) {
      mark += 1;
      at = star + 1;
      in_ = mark;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(at));
}
