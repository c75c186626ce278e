import assert from 'node:assert/strict';
import { constants, type FileHandle, mkdir, open, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { end, start, temporaryFolder } from '../support/children.js';
import type { Account } from '../support/clients.js';
import type { HubProcess } from '../support/hub-process.js';
import { FXP, NO_ATTRS, OPEN, RawSftp, readString, string, u32, u64 } from '../support/raw-sftp.js';
import type { Report, Scale } from './script.js';

const RACER = `
const { renameSync } = require('node:fs');
process.chdir(process.argv[1]);
for (;;) {
  try { renameSync('a', 'hold'); renameSync('link', 'a'); renameSync('a', 'link'); renameSync('hold', 'a'); } catch {}
}`;

/** Opens a file again and again while another process swaps its directory and a link to the outside. */
export async function checkPathSwap(report: Report, hub: HubProcess, account: Account, scale: Scale): Promise<void> {
  const opens = scale === 'full' ? 20_000 : 3_000;
  await report.check(`${opens} opens against a process that swaps a directory and a link: no read from outside`, async () => {
    const home = join(hub.files, account.user);
    const seen = await raced(join(home, 'swap'), () => overSftp(hub, account, opens));
    assert.equal(seen.outside, 0);
    assert.ok(seen.inside > 0 && seen.refused > 0, `the race did not run: ${JSON.stringify(seen)}`);
    return `inside ${seen.inside}, refused ${seen.refused}, outside ${seen.outside}`;
  });
  await report.check('control: a check of the resolved path before the open escapes', async () => {
    const folder = await temporaryFolder('swap');
    const seen = await raced(join(folder, 'swap'), () => naively(join(folder, 'swap'), opens));
    assert.ok(seen.outside > 0, `it did not escape: ${JSON.stringify(seen)}`);
    return `outside ${seen.outside} of ${opens}`;
  });
}

interface Seen {
  inside: number;
  outside: number;
  refused: number;
}

/**
 * Runs `look` while a process swaps the directory 'a' of `folder`, with a file 'f.txt' that holds 'inside', and a link to a directory
 * outside, which `look` is given, with one that holds 'outside'.
 */
export async function raced<T>(folder: string, look: (outside: string) => Promise<T>): Promise<T> {
  const outside = await temporaryFolder('outside');
  await writeFile(join(outside, 'f.txt'), 'outside');
  await mkdir(join(folder, 'a'), { recursive: true });
  await writeFile(join(folder, 'a/f.txt'), 'inside');
  await symlink(outside, join(folder, 'link'));
  const racer = start(process.execPath, ['-e', RACER, folder], { stdio: 'ignore' });
  try {
    return await look(outside);
  } finally {
    await end(racer);
  }
}

async function overSftp(hub: HubProcess, account: Account, opens: number): Promise<Seen> {
  const seen: Seen = { inside: 0, outside: 0, refused: 0 };
  const client = await RawSftp.connect({ port: hub.port, user: account.user, password: account.password ?? '' });
  for (let index = 0; index < opens; index += 16) {
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        const opened = await client.request(FXP.OPEN, string('/swap/a/f.txt'), u32(OPEN.READ), NO_ATTRS);
        if (opened.type !== FXP.HANDLE) {
          seen.refused += 1;
          return;
        }
        const handle = readString(opened.body, 0);
        const data = await client.request(FXP.READ, string(handle), u64(0), u32(20));
        count(seen, data.type === FXP.DATA ? readString(data.body, 0).toString() : '');
        await client.close(handle);
      }),
    );
  }
  client.end();
  return seen;
}

async function naively(folder: string, opens: number): Promise<Seen> {
  const seen: Seen = { inside: 0, outside: 0, refused: 0 };
  const root = await realpath(folder);
  for (let index = 0; index < opens; index += 1) {
    let file: FileHandle | undefined;
    try {
      const path = join(folder, 'a/f.txt');
      if (!(await realpath(path)).startsWith(`${root}/`)) throw new Error('outside');
      file = await open(path, constants.O_RDONLY);
      count(seen, await file.readFile('utf8'));
    } catch {
      seen.refused += 1;
    } finally {
      await file?.close();
    }
  }
  return seen;
}

function count(seen: Seen, content: string): void {
  if (content === 'outside') seen.outside += 1;
  else if (content === 'inside') seen.inside += 1;
  else seen.refused += 1;
}
