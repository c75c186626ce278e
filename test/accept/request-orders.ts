import assert from 'node:assert/strict';
import { type Account } from '../support/clients.js';
import type { HubProcess } from '../support/hub-process.js';
import { type Answer, FXP, NO_ATTRS, OPEN, RawSftp, readString, STATUS, string, u32, u64 } from '../support/raw-sftp.js';
import type { Report } from './script.js';

/** One request of a recorded order, and what the answer must be. */
type Step = readonly [request: string, path: string, expected: number | 'attrs' | 'name' | 'handle' | 'data' | 'eof'];

/** What client programs ask, in the order in which they do: browsing, upload with a part file, time stamps, download, tidying. */
const ORDERS: Readonly<Record<string, readonly Step[]>> = {
  'FileZilla-like': [
    ['realpath', '.', 'name'],
    ['opendir', '/', 'handle'],
    ['readdir', '', 'name'],
    ['readdir', '', 'eof'],
    ['close', '', STATUS.OK],
    ['mkdir', '/fz', STATUS.OK],
    ['realpath', '/fz', 'name'],
    ['stat', '/fz/new.txt', STATUS.NO_SUCH_FILE],
    ['open-write', '/fz/new.txt', 'handle'],
    ['write', 'hello', STATUS.OK],
    ['close', '', STATUS.OK],
    ['setstat-times', '/fz/new.txt', STATUS.OK],
    ['stat', '/fz/new.txt', 'attrs'],
    ['setstat-mode', '/fz/new.txt', STATUS.OK],
    ['open-read', '/fz/new.txt', 'handle'],
    ['fstat', '', 'attrs'],
    ['read', '', 'data'],
    ['read-past', '', 'eof'],
    ['close', '', STATUS.OK],
    ['rename', '/fz/new.txt /fz/renamed.txt', STATUS.OK],
    ['remove', '/fz/renamed.txt', STATUS.OK],
    ['rmdir', '/fz', STATUS.OK],
  ],
  'WinSCP-like': [
    ['realpath', '.', 'name'],
    ['realpath', '/', 'name'],
    ['opendir', '/', 'handle'],
    ['readdir', '', 'name'],
    ['readdir', '', 'eof'],
    ['close', '', STATUS.OK],
    ['lstat', '/ws', STATUS.NO_SUCH_FILE],
    ['mkdir', '/ws', STATUS.OK],
    ['setstat-mode', '/ws', STATUS.OK],
    ['lstat', '/ws/report.xlsx', STATUS.NO_SUCH_FILE],
    ['lstat', '/ws/report.xlsx.filepart', STATUS.NO_SUCH_FILE],
    ['open-write', '/ws/report.xlsx.filepart', 'handle'],
    ['write', 'first half, ', STATUS.OK],
    ['fsetstat-times', '', STATUS.OK],
    ['close', '', STATUS.OK],
    ['lstat', '/ws/report.xlsx.filepart', 'attrs'],
    ['open-resume', '/ws/report.xlsx.filepart', 'handle'],
    ['write-at-12', 'second half', STATUS.OK],
    ['close', '', STATUS.OK],
    ['remove', '/ws/report.xlsx', STATUS.NO_SUCH_FILE],
    ['rename', '/ws/report.xlsx.filepart /ws/report.xlsx', STATUS.OK],
    ['setstat-times', '/ws/report.xlsx', STATUS.OK],
    ['stat', '/ws/report.xlsx', 'attrs'],
    ['open-read', '/ws/report.xlsx', 'handle'],
    ['read', '', 'data'],
    ['close', '', STATUS.OK],
    ['posix-rename', '/ws/report.xlsx /ws/final.xlsx', STATUS.OK],
    ['remove', '/ws/final.xlsx', STATUS.OK],
    ['rmdir', '/ws', STATUS.OK],
  ],
};

const TIMES = Buffer.concat([u32(8), u32(1_700_000_000), u32(1_700_000_001)]);
const MODE = Buffer.concat([u32(4), u32(0o644)]);

/** Sends each recorded order to the hub and compares every answer. */
export async function replayRequestOrders(report: Report, hub: HubProcess, account: Account): Promise<void> {
  for (const [name, steps] of Object.entries(ORDERS)) {
    await report.check(`${name} request order`, async () => {
      const client = await RawSftp.connect({ port: hub.port, user: account.user, password: account.password ?? '' });
      let handle: Buffer = Buffer.alloc(0);
      for (const [index, [request, path, expected]] of steps.entries()) {
        const answer = await send(client, request, path, handle);
        assert.equal(kind(answer, expected), expected, `step ${index + 1}, ${request} ${path}: ${answer.message}`);
        if (answer.type === FXP.HANDLE) handle = readString(answer.body, 0);
      }
      client.end();
      return `${steps.length} requests`;
    });
  }
}

function send(client: RawSftp, request: string, path: string, handle: Buffer): Promise<Answer> {
  const [from = '', to = ''] = path.split(' ');
  const write = OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE;
  const requests: Readonly<Record<string, () => Promise<Answer>>> = {
    realpath: () => client.request(FXP.REALPATH, string(path)),
    opendir: () => client.request(FXP.OPENDIR, string(path)),
    readdir: () => client.request(FXP.READDIR, string(handle)),
    close: () => client.request(FXP.CLOSE, string(handle)),
    mkdir: () => client.request(FXP.MKDIR, string(path), NO_ATTRS),
    rmdir: () => client.request(FXP.RMDIR, string(path)),
    remove: () => client.request(FXP.REMOVE, string(path)),
    stat: () => client.request(FXP.STAT, string(path)),
    lstat: () => client.request(FXP.LSTAT, string(path)),
    fstat: () => client.request(FXP.FSTAT, string(handle)),
    'setstat-times': () => client.request(FXP.SETSTAT, string(path), TIMES),
    'setstat-mode': () => client.request(FXP.SETSTAT, string(path), MODE),
    'fsetstat-times': () => client.request(FXP.FSETSTAT, string(handle), TIMES),
    'open-write': () => client.request(FXP.OPEN, string(path), u32(write), NO_ATTRS),
    'open-resume': () => client.request(FXP.OPEN, string(path), u32(OPEN.WRITE | OPEN.CREATE), NO_ATTRS),
    'open-read': () => client.request(FXP.OPEN, string(path), u32(OPEN.READ), NO_ATTRS),
    write: () => client.request(FXP.WRITE, string(handle), u64(0), string(path)),
    'write-at-12': () => client.request(FXP.WRITE, string(handle), u64(12), string(path)),
    read: () => client.request(FXP.READ, string(handle), u64(0), u32(32_768)),
    'read-past': () => client.request(FXP.READ, string(handle), u64(1_000), u32(32_768)),
    rename: () => client.request(FXP.RENAME, string(from), string(to)),
    'posix-rename': () => client.request(FXP.EXTENDED, string('posix-rename@openssh.com'), string(from), string(to)),
  };
  const make = requests[request];
  if (make === undefined) throw new Error(`no such request: ${request}`);
  return make();
}

function kind(answer: Answer, expected: Step[2]): Step[2] {
  if (answer.type !== FXP.STATUS)
    return ({ [FXP.ATTRS]: 'attrs', [FXP.NAME]: 'name', [FXP.HANDLE]: 'handle', [FXP.DATA]: 'data' } as const)[answer.type] ?? -1;
  return expected === 'eof' && answer.code === STATUS.EOF ? 'eof' : answer.code;
}
