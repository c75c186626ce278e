import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import script from '#extensions/script/index.js';
import { scriptConfig } from '#extensions/script/options.js';
import { type FakeHost, fakeHost } from './host.js';

/** A data directory with a hooks folder, removed with the test. */
export interface HooksFolder {
  readonly dataDirectory: string;
  readonly folder: string;
  /** Writes a hook that its owner may execute. */
  write(file: string, content: string, mode?: number): Promise<void>;
}

/** Makes a data directory and its hooks folder. */
export async function hooksFolder(t: ExecutionContext): Promise<HooksFolder> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'entrepot-hooks-'));
  t.teardown(() => rm(dataDirectory, { recursive: true, force: true }));
  const folder = join(dataDirectory, 'hooks');
  await mkdir(folder, { mode: 0o700 });
  return {
    dataDirectory,
    folder,
    async write(file, content, mode = 0o700) {
      const path = join(folder, file);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(path, content);
      await chmod(path, mode);
    },
  };
}

/** The script extension on `folder`, registered with a fake host. */
export function registerScript({ dataDirectory }: Pick<HooksFolder, 'dataDirectory'>, config: object = {}, localPath?: string): FakeHost {
  const fake = fakeHost(dataDirectory, [], localPath);
  script.register(fake.host, scriptConfig.parse(config));
  return fake;
}

/** Waits until `condition` holds; fails after 20 s. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await condition()) return;
    await sleep(50);
  }
  throw new Error(`Never happened: ${what}`);
}

/** Whether process `pid` still runs; one that has ended and is not collected does not. */
export async function isRunning(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return status !== '' && !/\) [ZX] /.test(status);
}
