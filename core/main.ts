#!/usr/bin/env node
import 'reflect-metadata';
import { basename, dirname, relative } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runCommandLine } from './cli/program.js';
import { processEnvironment } from './config/load.js';

const EXIT_LIMIT_MS = 1_000;

// Buffers of big uploads count as garbage to come. After a quiet spell V8 lets the heap grow by so little that they make it
// collect everything forty times a second, and uploads take twice as long; this is the growth that it allows a busy program.
setFlagsFromString('--heap-growing-percent=400');

/** How this command was called, for hints that can be copied. */
function calledAs(): string {
  const script = process.argv[1] ?? '';
  if (basename(script) === 'entrepot') return basename(dirname(script)) === '.bin' ? 'npx entrepot' : 'entrepot';
  return processEnvironment().npm_lifecycle_event === undefined ? `node ${relative('.', script)}` : 'npx entrepot';
}

// A reader that goes away, such as `head`, ends the output and is no error.
process.stdout.on('error', () => process.exit(0));

process.exitCode = await runCommandLine(process.argv.slice(2), {
  env: processEnvironment(),
  program: calledAs(),
  input: process.stdin,
  output: process.stdout,
  errors: process.stderr,
  loadShipped: () => import('#extensions/bundled.js'),
});

// Nothing should be left to wait for; whatever is must not keep the command from ending.
setTimeout(() => process.exit(), EXIT_LIMIT_MS).unref();
