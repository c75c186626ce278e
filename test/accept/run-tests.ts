import 'reflect-metadata';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { REPOSITORY } from '../support/hub-process.js';

/** Runs tests of this repository by ava; gives how many passed. Throws what they printed when one fails. */
export async function runTests(file: string): Promise<string> {
  const ava = join(REPOSITORY, 'node_modules/ava/entrypoints/cli.mjs');
  const child = spawn(process.execPath, [ava, `dist/test/${file}`], { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (printed += String(chunk)));
  const code = await new Promise(resolve => child.once('close', resolve));
  if (code !== 0) throw new Error(printed);
  return /\d+ tests? passed/.exec(printed)?.[0] ?? 'passed';
}
