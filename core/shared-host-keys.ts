import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { SettingsRepository } from './db/settings.js';
import { toHubError } from './errors.js';
import { randomToken } from './ids.js';
import type { Logger } from './log.js';
import type { HostKeyInfo, HostKeyRing } from './protocol.js';
import type { Secrets } from './secrets.js';

const SETTING = 'host-keys';
/** A key that is offered, the next one, and those from before a rotation. */
const KEY_FILE = /^[\w-]+_key(\.next|\.old-\d+)?$/;
const MAX_FORMER = 100;

const storedSchema = z.object({
  /** Sealed, by the names of their files. */
  files: z.record(z.string().regex(KEY_FILE), z.string()),
  /** Digests of what was shared before: a node that still has it takes what is shared now. */
  former: z.array(z.string()),
});

/**
 * The host keys of nodes that share a database: clients know all of them by the same keys. The first node puts its keys, sealed,
 * into the database; the others take them when they start, and so do all after a change on one of them. Keys that an operator
 * put on a node stay, with a warning.
 */
export class SharedHostKeys implements HostKeyRing {
  constructor(
    private readonly own: HostKeyRing,
    private readonly settings: SettingsRepository,
    private readonly secrets: Secrets,
    private readonly log: Logger,
  ) {}

  get directory(): string {
    return this.own.directory;
  }

  list(): Promise<readonly HostKeyInfo[]> {
    return this.own.list();
  }

  make(): Promise<void> {
    return this.own.make();
  }

  async add(kind: string): Promise<HostKeyInfo> {
    return this.#share(await this.own.add(kind));
  }

  async rotate(kind: string): Promise<HostKeyInfo> {
    return this.#share(await this.own.rotate(kind));
  }

  async remove(fingerprint: string): Promise<HostKeyInfo> {
    return this.#share(await this.own.remove(fingerprint));
  }

  /** To be called before the keys are used: takes those that are shared, or shares those of this node. */
  async take(): Promise<void> {
    let shared = await this.#read();
    let made = false;
    if (!shared) {
      await this.own.make();
      made = true;
      if (await this.settings.add(SETTING, { files: this.#seal(await this.#files()), former: [] })) return;
      // Another node was faster.
      shared = await this.#read();
    }
    if (!shared) return;
    const own = await this.#files();
    const known = new Set([...shared.former, ...Object.values(shared.files).map(digest)]);
    for (const [name, text] of Object.entries(shared.files)) {
      const found = own.get(name);
      if (found === text) continue;
      if (found === undefined || made || known.has(digest(found))) await this.#write(name, text);
      else
        this.log.warn(
          { file: join(this.directory, name) },
          'this host key differs from that of the other nodes, which clients will complain of; remove it, and the next start takes theirs',
        );
    }
    for (const [name, text] of own)
      if (!(name in shared.files) && known.has(digest(text))) await rm(join(this.directory, name), { force: true });
  }

  async #share(change: HostKeyInfo): Promise<HostKeyInfo> {
    const before = await this.#read();
    const files = await this.#files();
    const now = new Set([...files.values()].map(digest));
    const former = [...(before?.former ?? []), ...Object.values(before?.files ?? {}).map(digest)].filter(one => !now.has(one));
    await this.settings.set(SETTING, { files: this.#seal(files), former: [...new Set(former)].slice(-MAX_FORMER) });
    return change;
  }

  async #read(): Promise<{ readonly files: Readonly<Record<string, string>>; readonly former: ReadonlySet<string> } | undefined> {
    const value = await this.settings.get(SETTING);
    if (value === undefined) return undefined;
    const { files, former } = storedSchema.parse(value);
    const opened = Object.entries(files).map(([name, sealed]) => [name, this.secrets.open(sealed, `${SETTING}/${name}`)] as const);
    return { files: Object.fromEntries(opened), former: new Set(former) };
  }

  #seal(files: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
    return Object.fromEntries([...files].map(([name, text]) => [name, this.secrets.seal(text, `${SETTING}/${name}`)]));
  }

  async #files(): Promise<ReadonlyMap<string, string>> {
    const names = await readdir(this.directory).catch((error: unknown) => {
      if (toHubError(error).code === 'not-found') return [];
      throw error;
    });
    const keys = names.filter(name => KEY_FILE.test(name)).sort();
    return new Map(await Promise.all(keys.map(async name => [name, await readFile(join(this.directory, name), 'utf8')] as const)));
  }

  /** It has its name when it is whole. */
  async #write(name: string, text: string): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const path = join(this.directory, name);
    const temporary = `${path}.${randomToken(8)}`;
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
