import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/children.js';
import { CLIENT_LIBRARIES } from '../support/client-libraries.js';
import { CLIENT_PROGRAMS } from '../support/client-programs.js';
import type { Account, Clients } from '../support/clients.js';

export const SMALL_FILES = 1_000;
const SMALL_BYTES = 4_096;
const LISTED_FILES = 100_000;
const AT_ONCE = 4;

/** One of the servers that are compared. */
export interface Peer {
  readonly account: Account;
  /** The folder for this bench, as clients name it, and where that is on the disk. */
  readonly remote: string;
  readonly folder: string;
}

/** What is sent, and where what comes back goes. */
export interface Source {
  readonly big: string;
  readonly small: string;
  readonly back: string;
}

/** Something that is done with each server in turn, and by what factor the hub must be faster at least. */
export interface Work {
  readonly name: string;
  readonly least: number;
  /** What one run moves, in files of the size asked for; without it the time itself is shown. */
  readonly bigFiles?: number;
  readonly run: (clients: Clients, peer: Peer, source: Source) => Promise<unknown>;
}

/** Works on the same files: each leaves what the next one takes, and what is there at the end is compared with the source. */
export interface Group {
  readonly name: string;
  readonly works: readonly Work[];
  /** Made in the folder of the peer beforehand. */
  readonly prepare?: (peer: Peer) => Promise<void>;
  /** What must then be equal: of the source, and below both the peer's folder and `back`. */
  readonly equal?: (source: Source) => readonly (readonly [original: string, copy: string])[];
}

/** Everything that is compared. */
export const GROUPS: readonly Group[] = [
  big('aes128-gcm@openssh.com', 2.0, 1.3),
  big('aes256-gcm@openssh.com', 1.6, 1.15),
  big('chacha20-poly1305@openssh.com', 1.6, 1.15),
  big('aes128-ctr', 1.6, 1.15),
  several(1.5, 1.35),
  smallBySftp(1.0, 1.15),
  smallByRclone(1.0, 1.0),
  {
    name: 'ls',
    prepare: makeListed,
    works: [
      { name: `ls of ${LISTED_FILES} entries`, least: 1.0, run: (clients, peer) => sftp(clients, peer, [`ls -1 ${peer.remote}/listed`]) },
    ],
  },
  ...['lftp', 'rclone', 'paramiko', 'psftp'].map(client => byClient(client, 1.0)),
];

function big(cipher: string, leastPut: number, leastGet: number): Group {
  const name = cipher.split('@')[0]!;
  return {
    name,
    works: [
      {
        name: `put, ${name}`,
        least: leastPut,
        bigFiles: 1,
        run: (clients, peer, { big }) => sftp(clients, peer, [put(big, peer)], cipher),
      },
      {
        name: `get, ${name}`,
        least: leastGet,
        bigFiles: 1,
        run: (clients, peer, { back }) => sftp(clients, peer, [get(peer, back)], cipher),
      },
    ],
    equal: ({ big }) => [[big, 'big']],
  };
}

function several(leastPut: number, leastGet: number): Group {
  const indices = Array.from({ length: AT_ONCE }, (_, index) => index);
  const all = (command: (index: number) => string, clients: Clients, peer: Peer) =>
    Promise.all(indices.map(index => sftp(clients, peer, [command(index)])));
  return {
    name: 'several',
    works: [
      {
        name: `put, ${AT_ONCE} clients at once`,
        least: leastPut,
        bigFiles: AT_ONCE,
        run: (clients, peer, { big }) => all(index => `${put(big, peer)}${index}`, clients, peer),
      },
      {
        name: `get, ${AT_ONCE} clients at once`,
        least: leastGet,
        bigFiles: AT_ONCE,
        run: (clients, peer, { back }) => all(index => `get ${peer.remote}/big${index} ${back}/big${index}`, clients, peer),
      },
    ],
    equal: ({ big }) => indices.map(index => [big, `big${index}`] as const),
  };
}

function smallBySftp(leastPut: number, leastGet: number): Group {
  return {
    name: 'small',
    prepare: peer => mkdir(join(peer.folder, 'small')).then(() => undefined),
    works: [
      {
        name: `put ${SMALL_FILES} x 4 KiB`,
        least: leastPut,
        run: (clients, peer, { small }) => sftp(clients, peer, [`put ${small}/* ${peer.remote}/small/`]),
      },
      {
        name: `get ${SMALL_FILES} x 4 KiB`,
        least: leastGet,
        run: async (clients, peer, { back }) => {
          await mkdir(join(back, 'small'));
          await sftp(clients, peer, [`get ${peer.remote}/small/* ${back}/small/`]);
        },
      },
    ],
    equal: ({ small }) => [[small, 'small']],
  };
}

function smallByRclone(leastPut: number, leastGet: number): Group {
  const rclone = async (clients: Clients, peer: Peer, from: string, to: string) => {
    const done = await clients.rclone(peer.account, ['copy', '--transfers', '8', '--checkers', '8', from, to]);
    assert.equal(done.code, 0, done.output.slice(-1_000));
  };
  return {
    name: 'rclone-small',
    works: [
      {
        name: `put ${SMALL_FILES} x 4 KiB, rclone, 8 transfers`,
        least: leastPut,
        run: (clients, peer, { small }) => rclone(clients, peer, small, `hub:${peer.remote}/small`),
      },
      {
        name: `get ${SMALL_FILES} x 4 KiB, rclone, 8 transfers`,
        least: leastGet,
        run: (clients, peer, { back }) => rclone(clients, peer, `hub:${peer.remote}/small`, join(back, 'small')),
      },
    ],
    equal: ({ small }) => [[small, 'small']],
  };
}

function byClient(name: string, least: number): Group {
  const make = { ...CLIENT_PROGRAMS, ...CLIENT_LIBRARIES }[name]!;
  return {
    name,
    works: [
      {
        name: `put, ${name}`,
        least,
        bigFiles: 1,
        run: async (clients, peer, { big }) => (await make(clients, peer.account)).put(big, `${peer.remote}/big`),
      },
      {
        name: `get, ${name}`,
        least,
        bigFiles: 1,
        run: async (clients, peer, { back }) => (await make(clients, peer.account)).get(`${peer.remote}/big`, join(back, 'big')),
      },
    ],
    equal: ({ big }) => [[big, 'big']],
  };
}

const put = (big: string, { remote }: Peer): string => `put ${big} ${remote}/big`;
const get = ({ remote }: Peer, back: string): string => `get ${remote}/big ${back}/big`;

/** Runs OpenSSH's sftp over `commands`. */
export async function sftp(
  clients: Clients,
  { account }: Peer,
  commands: readonly string[],
  cipher = 'aes128-gcm@openssh.com',
): Promise<void> {
  const done = await clients.sftp(account, commands, ['-c', cipher], 600_000);
  assert.equal(done.code, 0, done.output.slice(-1_000));
}

async function makeListed({ folder }: Peer): Promise<void> {
  const listed = join(folder, 'listed');
  await mkdir(listed);
  for (let index = 0; index < LISTED_FILES; index += 500)
    await Promise.all(Array.from({ length: 500 }, (_, more) => writeFile(join(listed, `entry-${index + more}`), '')));
}

/** A big file of `sizeMiB`, and a folder of small ones, below `parent`. */
export async function makeSource(sizeMiB: number, parent: string): Promise<Source> {
  const folder = await temporaryFolder('bench-source', parent);
  const source = { big: join(folder, 'big.bin'), small: join(folder, 'small'), back: join(folder, 'back') };
  await mkdir(source.small);
  const file = await open(source.big, 'w');
  const piece = randomBytes(2 ** 20);
  for (let index = 0; index < sizeMiB; index += 1) {
    piece.writeUInt32BE(index);
    await file.write(piece);
  }
  await file.close();
  for (let index = 0; index < SMALL_FILES; index += 1) await writeFile(join(source.small, `file-${index}`), randomBytes(SMALL_BYTES));
  return source;
}
