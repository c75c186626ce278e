import { copyFile, link, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostKeyInfo, type HostKeyRing, HubError } from '#core/api.js';
import { type HostKey, KINDS, type Kind, loadHostKey, loadHostKeys, readHostKey } from './host-keys.js';

const NEXT = '.next';
const OLD = '.old-';

interface KeyFile {
  readonly kind: Kind;
  readonly path: string;
  readonly state: HostKeyInfo['state'];
}

/**
 * The host keys in a directory: `ssh_host_ed25519_key` is offered, `ssh_host_ed25519_key.next` is announced and waits for a
 * rotation, `ssh_host_ed25519_key.old-<time>` was offered before one, and may be removed or put back by hand.
 */
export class HostKeyFiles implements HostKeyRing {
  constructor(readonly directory: string) {}

  async list(): Promise<readonly HostKeyInfo[]> {
    return (await this.#read()).map(({ file, key }) => info(file, key));
  }

  async make(): Promise<void> {
    await loadHostKeys(this.directory);
  }

  /** The next keys of all kinds, which clients are told before they are offered. Throws as loadHostKeys() does. */
  async next(): Promise<readonly HostKey[]> {
    return (await this.#read()).flatMap(({ file, key }) => (file.state === 'next' ? [key] : []));
  }

  async add(kind: string): Promise<HostKeyInfo> {
    const known = kindOf(kind);
    if ((await this.list()).some(key => key.kind === kind && key.state === 'next'))
      throw new HubError('already-exists', `There is a next ${kind} key already; \`entrepot hostkey rotate ${kind}\` offers it`);
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    return this.#make({ kind: known, path: join(this.directory, `${known.file}${NEXT}`), state: 'next' });
  }

  async rotate(kind: string): Promise<HostKeyInfo> {
    const known = kindOf(kind);
    const keys = await this.list();
    if (!keys.some(key => key.kind === kind && key.state === 'next')) await this.add(kind);
    const path = join(this.directory, known.file);
    if (keys.some(key => key.kind === kind && key.state === 'offered')) await keep(path, `${path}${OLD}${Date.now()}`);
    await rename(`${path}${NEXT}`, path);
    return this.#make({ kind: known, path, state: 'offered' });
  }

  async remove(fingerprint: string): Promise<HostKeyInfo> {
    const found = (await this.#read()).map(entry => ({ ...entry, info: info(entry.file, entry.key) }));
    const chosen = found.filter(entry => entry.info.fingerprint === fingerprint);
    const [first] = chosen;
    if (!first) throw new HubError('not-found', `No host key has the fingerprint '${fingerprint}'; \`entrepot hostkey list\` shows them`);
    if (chosen.some(({ file }) => file.state === 'offered'))
      throw new HubError(
        'invalid-request',
        `This key is offered to clients; \`entrepot hostkey rotate ${first.info.kind}\` offers another one first`,
      );
    for (const { file } of chosen) await rm(file.path, { force: true });
    return first.info;
  }

  async #read(): Promise<readonly { readonly file: KeyFile; readonly key: HostKey }[]> {
    const names = (await readdir(this.directory).catch(() => [])).sort();
    const files = KINDS.flatMap(kind =>
      names.flatMap(name => {
        const state = stateOf(name, kind);
        return state ? [{ kind, path: join(this.directory, name), state }] : [];
      }),
    );
    // A rotation may take a file's name away meanwhile.
    const keys = await Promise.all(files.map(async file => ({ file, key: await readHostKey(file.path, file.kind) })));
    return keys.flatMap(({ file, key }) => (key ? [{ file, key }] : []));
  }

  async #make(file: KeyFile): Promise<HostKeyInfo> {
    return info(file, await loadHostKey(file.path, file.kind));
  }
}

function info({ kind, state }: KeyFile, { fingerprint, publicKey }: HostKey): HostKeyInfo {
  return { kind: nameOf(kind), state, fingerprint: fingerprint.replace(/^\S+ /, ''), publicKey };
}

function stateOf(file: string, kind: Kind): HostKeyInfo['state'] | undefined {
  if (file === kind.file) return 'offered';
  if (file === `${kind.file}${NEXT}`) return 'next';
  return file.startsWith(`${kind.file}${OLD}`) ? 'old' : undefined;
}

function nameOf({ label }: Kind): string {
  return label.toLowerCase();
}

function kindOf(name: string): Kind {
  const kind = KINDS.find(known => nameOf(known) === name);
  if (!kind) throw new HubError('invalid-request', `There is no kind of host key '${name}'; there are ${KINDS.map(nameOf).join(', ')}`);
  return kind;
}

async function keep(path: string, old: string): Promise<void> {
  // File systems without hard links.
  await link(path, old).catch(() => copyFile(path, old));
}
