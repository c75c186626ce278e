import assert from 'node:assert/strict';
import { chmod, link, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/children.js';
import type { Account } from '../support/clients.js';
import type { HubProcess } from '../support/hub-process.js';
import { FXP, RawSftp, STATUS, string, u32 } from '../support/raw-sftp.js';
import { raced } from './path-swap.js';
import type { Report, Scale } from './script.js';

const CONTROL_TRIES = 200_000;
const MODE = 0o640;

/** One try of a request on what is in '/swap/a'. */
interface Verb {
  /** Through the hub; gives whether it was done. Throws when what is outside was reached. */
  readonly ask: (client: RawSftp) => Promise<boolean>;
  /** The same on the disk, after a look at where the path leads; `folder` holds 'a'. */
  readonly naive: (folder: string) => Promise<unknown>;
}

const done = (answer: { readonly code: number }) => answer.code === STATUS.OK;

const VERBS: Readonly<Record<string, Verb>> = {
  OPENDIR: {
    async ask(client) {
      const names = await client.list('/swap/a').catch(() => undefined);
      assert.ok(!names?.some(name => name.toString() === 'only-outside'), 'the outside was listed');
      return names !== undefined;
    },
    async naive(folder) {
      const names = await readdir(join(folder, 'a'));
      assert.ok(!names.includes('only-outside'));
    },
  },
  SETSTAT: {
    ask: async client => done(await client.request(FXP.SETSTAT, string('/swap/a/f.txt'), u32(4), u32(0o600))),
    naive: folder => chmod(join(folder, 'a/f.txt'), 0o600),
  },
  HARDLINK: {
    async ask(client) {
      for (const path of ['/linked', '/swap/a/linked']) await client.request(FXP.REMOVE, string(path));
      const [from, into] = await Promise.all([hardlink(client, '/swap/a/f.txt', '/linked'), hardlink(client, '/own', '/swap/a/linked')]);
      return from || into;
    },
    naive: folder => link(join(folder, 'a/f.txt'), join(folder, `linked-${Math.random()}`)),
  },
  RENAME: {
    async ask(client) {
      const moved = done(await move(client, '/swap/a/f.txt', '/moved'));
      if (moved) while (!done(await move(client, '/moved', '/swap/a/f.txt')));
      return moved;
    },
    async naive(folder) {
      const [file, moved] = [join(folder, 'a/f.txt'), join(folder, 'moved')];
      await rename(file, moved);
      assert.equal(await readFile(moved, 'utf8'), 'inside');
      while (
        !(await rename(moved, file).then(
          () => true,
          () => false,
        ))
      );
    },
  },
};

/** Makes each request again and again while another process swaps its directory and a link to the outside. */
export async function checkPathSwapOfVerbs(report: Report, hub: HubProcess, account: Account, scale: Scale): Promise<void> {
  const tries = scale === 'full' ? 20_000 : 1_500;
  const client = await RawSftp.connect({ port: hub.port, user: account.user, password: account.password ?? '' });
  for (const [name, verb] of Object.entries(VERBS)) {
    await report.check(
      `${tries} times ${name} against a process that swaps a directory and a link: nothing outside is reached`,
      async () => {
        const home = join(hub.files, account.user);
        await rm(join(home, 'swap'), { recursive: true, force: true });
        await writeFile(join(home, 'own'), 'own');
        let acted = 0;
        await raced(join(home, 'swap'), async outside => {
          const before = await prepare(outside);
          for (let index = 0; index < tries; index += 1) if (await verb.ask(client)) acted += 1;
          assert.equal(await stateOf(outside), before);
        });
        assert.ok(acted > 0 && acted < tries, `the race did not run: ${acted} of ${tries} were done`);
        return `${acted} done, ${tries - acted} refused`;
      },
    );
    await report.check(`control: ${name} after a look at the resolved path escapes`, async () => {
      const folder = join(await temporaryFolder('swap'), 'swap');
      return raced(folder, async outside => `at try ${await triesUntilOutside(verb, folder, outside)}`);
    });
  }
  client.end();
}

function move(client: RawSftp, from: string, to: string): Promise<{ readonly code: number }> {
  return client.request(FXP.EXTENDED, string('posix-rename@openssh.com'), string(from), string(to));
}

async function hardlink(client: RawSftp, from: string, to: string): Promise<boolean> {
  return done(await client.request(FXP.EXTENDED, string('hardlink@openssh.com'), string(from), string(to)));
}

async function triesUntilOutside(verb: Verb, folder: string, outside: string): Promise<number> {
  const before = await prepare(outside);
  const root = await realpath(folder);
  for (let tries = 1; tries <= CONTROL_TRIES; tries += 1) {
    try {
      if (!(await realpath(join(folder, 'a/f.txt'))).startsWith(`${root}/`)) continue;
      await verb.naive(folder);
    } catch (error) {
      if (error instanceof assert.AssertionError) return tries;
    }
    if ((await stateOf(outside)) !== before) return tries;
  }
  throw new Error(`it did not escape in ${CONTROL_TRIES} tries`);
}

async function prepare(outside: string): Promise<string> {
  await writeFile(join(outside, 'only-outside'), '');
  await chmod(join(outside, 'f.txt'), MODE);
  return stateOf(outside);
}

/** What any of the requests would change. */
async function stateOf(outside: string): Promise<string> {
  const names = (await readdir(outside)).sort();
  const file = join(outside, 'f.txt');
  if (!names.includes('f.txt')) return 'the file is gone';
  const [{ mode, nlink }, content] = await Promise.all([stat(file), readFile(file, 'utf8')]);
  return JSON.stringify([names, mode, nlink, content]);
}
