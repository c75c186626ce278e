import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runInLanes, type Sum } from './lanes.js';
import { type AcceptScript, Report } from './script.js';

const USAGE = 'npm run accept -- [ISSUE | ISSUE.POINT]... [--full] [--lanes N]    for example: 01, 01.3, 01 --full';
/** Two scripts at a time: most of what they do is wait. */
const LANES = '2';

/**
 * Every script is a module of this folder named for its issue and point, and its default export. Modules that cannot hold
 * one of `wanted` are not loaded.
 */
async function discover(wanted: readonly string[]): Promise<AcceptScript[]> {
  const files = readdirSync(new URL('.', import.meta.url)).filter(file => {
    const [, issue, point] = /^(\d\d)-(\d+)-.*\.js$/.exec(file) ?? [];
    const id = `${issue}.${Number(point)}`;
    return issue !== undefined && (wanted.length === 0 || wanted.some(one => one.startsWith(id) || id.startsWith(one)));
  });
  const modules = await Promise.all(files.map(file => import(new URL(file, import.meta.url).href)));
  const scripts = modules.map(module => module.default as AcceptScript);
  return scripts.sort((one, other) => one.id.localeCompare(other.id, 'en', { numeric: true }));
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { full: { type: 'boolean', default: false }, lanes: { type: 'string' } },
});
const scripts = await discover(positionals);
const chosen = scripts.filter(
  ({ id }) => positionals.length === 0 || positionals.some(wanted => id === wanted || id.startsWith(`${wanted}.`)),
);
if (chosen.length === 0) {
  console.error(`Nothing matches. ${USAGE}\n${(await discover([])).map(({ id, title }) => `${id}  ${title}`).join('\n')}`);
  process.exit(2);
}
const lanes = Number(values.lanes ?? (values.full ? '1' : LANES));
const sum = lanes > 1 && chosen.length > 1 ? await runInLanes(chosen, lanes, values.full ? ['--full'] : []) : await runHere(chosen);
if (sum.refusals.length > 0) console.log(`\nWhat failed:\n${sum.refusals.join('\n')}`);
if (sum.left > 0) console.log(`\n${sum.left} left out for want of something on this machine`);
console.log(`\n${sum.passed} passed, ${sum.failed} failed`);
process.exit(sum.failed === 0 ? 0 : 1);

/** One after the other, in this process. */
async function runHere(scripts: readonly AcceptScript[]) {
  const sum: Sum = { passed: 0, failed: 0, left: 0, refusals: [] };
  // Whatever nobody waited for is a failure of the run, and must not keep the other scripts from theirs.
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, error => {
      sum.failed += 1;
      console.log(`FAIL ${event}: ${error instanceof Error ? error.stack : error}`);
    });
  }

  // A signal, or nothing left that the run could wait for: without this it would look as if all had been done.
  let [isOver, under] = [false, 'nothing'];
  process.on('exit', code => {
    if (isOver) return;
    const { passed, failed } = sum;
    console.log(`FAIL the run ended in the middle of ${under}, with exit code ${code}; ${passed} passed and ${failed} failed before`);
    process.exitCode = code || 1;
  });

  for (const script of scripts) {
    under = script.id;
    console.log(`\n${script.id} ${script.title}${values.full ? ' (full)' : ''}`);
    const report = new Report(script.id);
    // What goes wrong between the checks is a failure of the script as a whole.
    await script.run(report, values.full ? 'full' : 'short').catch(error => report.check('runs to its end', () => Promise.reject(error)));
    sum.passed += report.passed;
    sum.failed += report.failed;
    sum.left += report.left;
  }
  isOver = true;
  return sum;
}
