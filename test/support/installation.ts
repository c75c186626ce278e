import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, temporaryFolder } from './children.js';
import { hubEnvironment, REPOSITORY } from './hub-process.js';

const SLOW_MS = 600_000;

/** The first shell block of the README that has `<!-- marker -->` above it: what readers run is what is tested. */
export async function readmeBlock(marker: string): Promise<string> {
  const readme = await readFile(join(REPOSITORY, 'README.md'), 'utf8');
  const block = readme.split(`<!-- ${marker} -->\n`)[1]?.match(/^```sh\n([\s\S]*?)\n```/)?.[1];
  assert.ok(block !== undefined, `README.md has no block marked '${marker}'`);
  return block;
}

let clone: Promise<string> | undefined;
let installation: Promise<string> | undefined;

/** A clone of this repository in an empty folder, as it is committed; one for the whole run. */
export function cleanClone(): Promise<string> {
  clone ??= (async () => {
    const folder = join(await temporaryFolder('clone'), 'entrepot');
    const cloned = await run('git', ['-c', 'safe.directory=*', 'clone', '--quiet', '--no-hardlinks', REPOSITORY, folder]);
    assert.equal(cloned.code, 0, cloned.output);
    return folder;
  })();
  return clone;
}

/** An otherwise empty folder in which the packed tarball has been installed; one for the whole run. */
export function installedTarball(): Promise<string> {
  installation ??= (async () => {
    const folder = await temporaryFolder('installed');
    const packed = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
      cwd: REPOSITORY,
      timeoutMs: SLOW_MS,
    });
    assert.equal(packed.code, 0, packed.output);
    const tarball = (await readdir(folder)).find(name => name.endsWith('.tgz'));
    const place = join(folder, 'place');
    await mkdir(place);
    await installInto(place, `../${tarball}`);
    return place;
  })();
  return installation;
}

/** `npm install` in a folder. Throws with what npm said. */
export async function installInto(folder: string, ...packages: string[]): Promise<void> {
  const installed = await run('npm', ['install', '--no-audit', '--no-fund', ...packages], {
    cwd: folder,
    timeoutMs: SLOW_MS,
    env: hubEnvironment({}),
  });
  assert.equal(installed.code, 0, installed.output.slice(-2_000));
}

/** Copies a fixture of the repository, without anything that was installed in it, into `parent`. */
export async function copyFixture(name: string, parent: string): Promise<string> {
  const copy = join(parent, name);
  await cp(join(REPOSITORY, 'test/fixtures', name), copy, { recursive: true, filter: path => !path.includes('/node_modules') });
  return copy;
}
