import { fileURLToPath } from 'node:url';
import { run } from '../support/children.js';
import type { AcceptScript } from './script.js';

/** Longer than any script takes. */
const LIMIT_MS = 20 * 60_000;

/** How many checks passed, failed, and were left out. */
export interface Sum {
  passed: number;
  failed: number;
  left: number;
  /** The lines of those that failed, of scripts that ran apart: to be said again where the run ends. */
  readonly refusals: string[];
}

/**
 * Runs each script, or all that share something, in a process of its own, `lanes` at a time, and prints what each printed when it has ended. Those that
 * measure the machine come last, by themselves.
 */
export async function runInLanes(scripts: readonly AcceptScript[], lanes: number, options: readonly string[]): Promise<Sum> {
  const sum: Sum = { passed: 0, failed: 0, left: 0, refusals: [] };
  const waiting = together(scripts.filter(({ alone }) => !alone));
  const lane = async (): Promise<void> => {
    for (let group = waiting.shift(); group; group = waiting.shift()) await runApart(group, options, sum);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  for (const script of scripts.filter(({ alone }) => alone)) await runApart([script.id], options, sum);
  return sum;
}

/** The ids of scripts, those that share something in one group. */
function together(scripts: readonly AcceptScript[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const { id, shares = id } of scripts) groups.set(shares, [...(groups.get(shares) ?? []), id]);
  return [...groups.values()];
}

async function runApart(ids: readonly string[], options: readonly string[], sum: Sum): Promise<void> {
  const program = fileURLToPath(new URL('index.js', import.meta.url));
  const began = performance.now();
  const { output } = await run(process.execPath, [program, ...ids, ...options, '--lanes', '1'], { timeoutMs: LIMIT_MS });
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? [];
  const [, left] = /^(\d+) left out/m.exec(output) ?? [];
  const printed = output.replace(/^\d+ left out.*\n?|^\d+ passed, \d+ failed$/gm, '').trim();
  console.log(`\n${printed}\n     ${ids.join(', ')} took ${((performance.now() - began) / 1_000).toFixed(0)} s`);
  sum.passed += Number(passed ?? 0);
  sum.left += Number(left ?? 0);
  sum.failed += Number(failed ?? 0);
  sum.refusals.push(...(printed.match(/^FAIL .*$/gm) ?? []));
  if (passed === undefined) {
    sum.failed += 1;
    sum.refusals.push(`FAIL ${ids.join(', ')} did not come to its end`);
  }
}
