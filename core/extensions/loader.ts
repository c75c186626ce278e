import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire, register } from 'node:module';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import semver from 'semver';
import { HubError } from '../errors.js';
import type { Extension } from './extension.js';
import { API_VERSION } from './version.js';

/** An extension, and the key under `extensions` at which its options stand. */
export interface LoadedExtension {
  readonly key: string;
  readonly extension: Extension;
  /** Its own, or that of its package; undefined where neither tells one. */
  readonly version: string | undefined;
}

let redirecting = false;

/**
 * Imports the extension that the configuration calls `key`: a package, or a path (from `directories[0]` when it is relative).
 * Packages are looked for beside the hub's own, then in node_modules of `directories` and above. Whatever the extension
 * imports as 'entrepot' is this hub. Throws 'invalid-request' with a sentence that names the package.
 */
export async function importExtension(key: string, directories: readonly string[]): Promise<LoadedExtension> {
  if (!redirecting) {
    redirecting = true;
    const own = new URL('../..', import.meta.url).href;
    register('./own-package.js', import.meta.url, { data: { api: `${own}core/api.js`, testing: `${own}test/conformance/index.js` } });
  }
  const file = isPath(key) ? resolve(directories[0]!, key) : findPackage(key, directories);
  const module = await importModule(key, file);
  const extension = module.default as Partial<Extension> | undefined;
  if (typeof extension?.name !== 'string' || typeof extension.api !== 'string' || typeof extension.register !== 'function') {
    throw refusal(key, 'has no default export made by defineExtension({ name, api, register })');
  }
  return { key, extension: extension as Extension, version: versionOf(extension, file) };
}

/** Throws 'invalid-request' unless the extension was written for this version of the extension API. */
export function requireCompatible({ key, extension }: LoadedExtension): void {
  if (semver.satisfies(API_VERSION, extension.api)) return;
  const range = semver.validRange(extension.api)
    ? `needs extension API ${extension.api}`
    : `names an API range that cannot be read (${JSON.stringify(extension.api)})`;
  throw refusal(key, `${range}, and this hub offers ${API_VERSION}`);
}

/** What a start says of an extension that cannot be used. */
export function refusal(key: string, what: string, cause?: unknown): HubError {
  return new HubError('invalid-request', `Extension '${key}' ${oneLine(what)}`, { cause });
}

async function importModule(key: string, file: string | undefined): Promise<{ readonly default?: unknown }> {
  try {
    return (await import(file === undefined ? key : pathToFileURL(isDirectory(file) ? entryOf(file) : file).href)) as { default?: unknown };
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    const missing = code === 'ERR_MODULE_NOT_FOUND' && (file === undefined || !existsSync(file));
    if (!missing) throw refusal(key, `could not be loaded: ${message ?? String(error)}`, error);
    const advice = isPath(key)
      ? `is not there: ${file} does not exist`
      : `is not installed: run 'npm install ${key}' beside the configuration, or give its path`;
    throw refusal(key, advice, error);
  }
}

function versionOf({ version }: Partial<Extension>, file: string | undefined): string | undefined {
  if (typeof version === 'string' || file === undefined) return version;
  try {
    const manifest = join(isDirectory(file) ? file : dirname(file), 'package.json');
    const { version: told } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: unknown };
    return typeof told === 'string' ? told : undefined;
  } catch {
    return undefined;
  }
}

function isPath(key: string): boolean {
  return key.startsWith('.') || isAbsolute(key);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function findPackage(name: string, directories: readonly string[]): string | undefined {
  for (const start of directories) {
    for (let directory = start; ; directory = dirname(directory)) {
      const candidate = join(directory, 'node_modules', name);
      if (isDirectory(candidate)) return candidate;
      if (directory === dirname(directory)) break;
    }
  }
  return undefined;
}

/** The file that a package offers to an import: its `exports`, otherwise `main`, otherwise index.js. */
function entryOf(directory: string): string {
  const manifest = join(directory, 'package.json');
  if (!existsSync(manifest)) return join(directory, 'index.js');
  const { name, exports, main } = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string; exports?: unknown; main?: string };
  const chosen = importedOf((exports as Record<string, unknown> | undefined)?.['.'] ?? exports);
  if (chosen !== undefined) return join(directory, chosen);
  if (main !== undefined) return join(directory, main);
  return name === undefined ? join(directory, 'index.js') : createRequire(manifest).resolve(directory);
}

/** What `exports` gives to an import in Node: the first condition that holds, however deep. */
function importedOf(exported: unknown): string | undefined {
  if (typeof exported === 'string') return exported;
  if (typeof exported !== 'object' || exported === null) return undefined;
  for (const [condition, value] of Object.entries(exported)) {
    const chosen = ['node', 'import', 'default'].includes(condition) ? importedOf(value) : undefined;
    if (chosen !== undefined) return chosen;
  }
  return undefined;
}

function oneLine(text: string): string {
  return text
    .trim()
    .split(/\s*\n\s*/)
    .join(' ');
}
