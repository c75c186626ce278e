import { copyFile, link, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostKeyInfo, type HostKeyRing, HubError } from '#core/api.js';
import { KINDS, type Kind, loadHostKey } from './host-keys.js';

const NEXT = '.next';
const OLD = '.old-';

/**
 * The host keys in a directory: `ssh_host_ed25519_key` is offered, `ssh_host_ed25519_key.next` waits for a rotation,
 * `ssh_host_ed25519_key.old-<time>` was offered before one, and may be removed or put back by hand.
 */
export class HostKeyFiles implements HostKeyRing {
  constructor(private readonly directory: string) {}

  async list(): Promise<readonly HostKeyInfo[]> {
    const files = (await readdir(this.directory).catch(() => [])).sort();
    const found = KINDS.flatMap(kind =>
      files.flatMap(file => {
        const state = stateOf(file, kind);
        return state ? [this.#info(file, kind, state)] : [];
      }),
    );
    return Promise.all(found);
  }

  async add(kind: string): Promise<HostKeyInfo> {
    const known = kindOf(kind);
    if ((await this.list()).some(key => key.kind === kind && key.state === 'next'))
      throw new HubError('already-exists', `There is a next ${kind} key already; \`entrepot hostkey rotate ${kind}\` offers it`);
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    return this.#info(`${known.file}${NEXT}`, known, 'next');
  }

  async rotate(kind: string): Promise<HostKeyInfo> {
    const known = kindOf(kind);
    const keys = await this.list();
    if (!keys.some(key => key.kind === kind && key.state === 'next')) await this.add(kind);
    const path = join(this.directory, known.file);
    if (keys.some(key => key.kind === kind && key.state === 'offered')) await keep(path, `${path}${OLD}${Date.now()}`);
    await rename(`${path}${NEXT}`, path);
    return this.#info(known.file, known, 'offered');
  }

  async #info(file: string, kind: Kind, state: HostKeyInfo['state']): Promise<HostKeyInfo> {
    const { fingerprint, publicKey } = await loadHostKey(join(this.directory, file), kind);
    return { kind: nameOf(kind), state, fingerprint: fingerprint.replace(/^\S+ /, ''), publicKey };
  }
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
