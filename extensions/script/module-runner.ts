import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

/** Started as `node module-runner.js FILE` with the event on standard input: calls the default export of FILE. */
async function runModule(file: string): Promise<number> {
  const stopped = new AbortController();
  process.once('SIGTERM', () => stopped.abort());
  const event = JSON.parse(await text(process.stdin)) as { readonly type: string };
  const { default: hook } = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
  if (typeof hook !== 'function') throw new TypeError(`${file} has no function as its default export`);
  const result: unknown = await hook(event, { log: lineLog(), signal: stopped.signal });
  const deny = event.type.startsWith('before.') ? (result as { readonly deny?: unknown } | undefined | null)?.deny : undefined;
  if (!deny) return 0;
  process.stdout.write(`\n${JSON.stringify(typeof deny === 'string' ? { deny } : { deny: '' })}\n`);
  return 1;
}

function lineLog(): Readonly<Record<string, (...message: unknown[]) => void>> {
  const levels = ['debug', 'info', 'warn', 'error'];
  return Object.fromEntries(
    levels.map(level => [level, (...message: unknown[]) => void process.stderr.write(`${level}: ${format(...message)}\n`)]),
  );
}

try {
  process.exit(await runModule(process.argv[2] ?? ''));
} catch (error) {
  process.stderr.write(`${format(error)}\n`);
  process.exit((error as { readonly permanent?: unknown } | null)?.permanent === true ? 65 : 1);
}
