import type { Dirent, Stats } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { didYouMean, EVENT_TYPES, GUARDED_ACTIONS, type Rule } from '#core/api.js';
import { type HookHeader, parseHeader } from './header.js';
import { reasonNotToRun } from './trust.js';

/** A file in the hooks folder that is a hook, or should have been one. */
export interface HookFile {
  /** Relative to the hooks folder, with '/'. */
  readonly file: string;
  /** Event type or 'before.<action>'; as the name says it when that is unknown. */
  readonly event: string;
  /** Why it is rejected; undefined when it is active. */
  readonly reason: string | undefined;
  readonly header: HookHeader;
}

interface Candidate {
  readonly file: string;
  readonly event: string;
  readonly reason?: string;
}

interface ReadHeader {
  readonly signature: string;
  readonly header: HookHeader | string;
}

const HOOKS: readonly string[] = [...EVENT_TYPES, ...GUARDED_ACTIONS.map(action => `before.${action}`)];
const IGNORED = /^[._]|^README|^package(?:-lock)?\.json$|^node_modules$|~$|\.(?:bak|orig|rej|swp|tmp)$/i;
const HEADER_BYTES = 16 * 1024;
const NO_HEADER: HookHeader = { conditions: {} };

/** Reads a folder in which the names of files say when they run. */
export class HookDirectory {
  readonly #headers = new Map<string, ReadHeader>();

  /** `folder` is an absolute path. */
  constructor(readonly folder: string) {}

  /**
   * Every hook in the folder, in order of name: `<event>`, `<event>.<extension>` and the files in `<event>.d/`. What
   * starts with '_' or '.', README files, back-up copies and what npm makes are not looked at.
   */
  async scan(): Promise<readonly HookFile[]> {
    const hooks: HookFile[] = [];
    for (const candidate of await this.#candidates()) hooks.push(await this.#check(candidate));
    const files = new Set(hooks.map(({ file }) => file));
    for (const file of this.#headers.keys()) if (!files.has(file)) this.#headers.delete(file);
    return hooks;
  }

  /** The folder, and the folders in it in which hooks lie. */
  async watched(): Promise<readonly string[]> {
    const folders = (await this.#entries('')).filter(entry => entry.name.endsWith('.d')).map(({ name }) => join(this.folder, name));
    return [this.folder, ...folders];
  }

  async #candidates(): Promise<readonly Candidate[]> {
    const lists = await Promise.all((await this.#entries('')).map(entry => this.#candidatesOf(entry)));
    return lists.flat();
  }

  async #candidatesOf({ name }: Dirent): Promise<readonly Candidate[]> {
    const stats = await stat(join(this.folder, name)).catch(() => undefined);
    if (!stats?.isDirectory()) {
      const event = HOOKS.includes(name) ? name : name.replace(/\.[^.]*$/, '');
      return [HOOKS.includes(event) ? { file: name, event } : { file: name, event, reason: unknown(event) }];
    }
    if (HOOKS.includes(name)) return [{ file: name, event: name, reason: `is a folder; hooks for one event go into ${name}.d/` }];
    if (!name.endsWith('.d')) return [];
    const event = name.slice(0, -2);
    if (!HOOKS.includes(event)) return [{ file: name, event, reason: unknown(event) }];
    return (await this.#entries(name)).map(entry => ({ file: `${name}/${entry.name}`, event }));
  }

  async #entries(folder: string): Promise<readonly Dirent[]> {
    const entries = await readdir(join(this.folder, folder), { withFileTypes: true }).catch((): Dirent[] => []);
    return entries.filter(({ name }) => !IGNORED.test(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #check({ file, event, reason }: Candidate): Promise<HookFile> {
    const rejected = (why: string): HookFile => ({ file, event, reason: why, header: NO_HEADER });
    try {
      const problem = reason ?? (await reasonNotToRun(this.folder, file));
      if (problem) return rejected(problem);
      const header = await this.#header(file, event);
      return typeof header === 'string' ? rejected(header) : { file, event, reason: undefined, header };
    } catch (error) {
      return rejected(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
    }
  }

  async #header(file: string, event: string): Promise<HookHeader | string> {
    const path = join(this.folder, file);
    const signature = signatureOf(await stat(path));
    const known = this.#headers.get(file);
    if (known?.signature === signature) return known.header;
    const header = parseHeader(await beginningOf(path), event);
    this.#headers.set(file, { signature, header });
    return header;
  }
}

/** The rules that the active ones of `hooks` stand for. The id of a rule is the name of its file, so that deliveries find it again. */
export function toRules(hooks: readonly HookFile[]): readonly Rule[] {
  return hooks
    .filter(({ reason }) => reason === undefined)
    .map(({ file, event, header: { conditions, ...options } }) => {
      const guard = event.startsWith('before.') ? event.slice('before.'.length) : undefined;
      return {
        id: file,
        name: file,
        enabled: true,
        events: guard === undefined ? [event] : [],
        guards: guard === undefined ? [] : [guard],
        conditions,
        actions: [{ type: 'script', options: { command: file, ...options } }],
      };
    });
}

function unknown(event: string): string {
  return `'${event}' is not the name of an event${didYouMean(event, HOOKS)}`;
}

function signatureOf({ ino, size, ctimeMs, mtimeMs }: Stats): string {
  return [ino, size, ctimeMs, mtimeMs].join(':');
}

async function beginningOf(path: string): Promise<string> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
