import type { Right } from '#core/db/user.js';
import { runCommand } from './exec.js';
import { type Answer, FXP, type Login, NO_ATTRS, OPEN, RawSftp, Refused, readString, STATUS, string, u32, u64 } from './raw-sftp.js';

/** A request as a client makes it, and the rights that it takes, written from the manual of rights and not from the code. */
interface Row {
  readonly title: string;
  readonly needs: readonly Right[];
  /** Gives the status; 0 or less is success. */
  readonly act: (client: RawSftp, login: Login) => Promise<number>;
}

/** Who runs the tests: to him the hub may give files in any case. */
const OWNER = [u32(process.getuid?.() ?? 0), u32(process.getgid?.() ?? 0)];
const CREATE = OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE;

const ask =
  (type: number, ...parts: readonly Buffer[]) =>
  async (client: RawSftp) =>
    (await client.request(type, ...parts)).code;
const extended = (name: string, ...parts: readonly Buffer[]) => ask(FXP.EXTENDED, string(name), ...parts);
const put =
  (path: string, flags: number = CREATE) =>
  (client: RawSftp) =>
    codeOf(client.put(path, Buffer.from('x'), flags));
const scp = (command: string, input: string) => async (_client: RawSftp, login: Login) => {
  const { code, stdout } = await runCommand(login, command, Buffer.from(input, 'latin1'));
  return stdout.includes('Permission denied') ? STATUS.PERMISSION_DENIED : code === 0 ? STATUS.OK : STATUS.FAILURE;
};

/** Requests on '/f' and '/g', which are there, '/d', an empty directory, '/full', one with a file, and '/new', which is not. */
export const ROWS: readonly Row[] = [
  { title: 'OPEN to read', needs: ['download'], act: client => codeOf(client.get('/f')) },
  { title: 'OPEN to create', needs: ['upload'], act: put('/new') },
  { title: 'OPEN to replace', needs: ['overwrite'], act: put('/f') },
  { title: 'OPEN to append', needs: ['overwrite'], act: put('/f', OPEN.WRITE | OPEN.APPEND) },
  { title: 'OPENDIR', needs: ['list'], act: client => codeOf(client.list('/')) },
  { title: 'REMOVE', needs: ['delete-files'], act: ask(FXP.REMOVE, string('/f')) },
  { title: 'MKDIR', needs: ['create-directories'], act: ask(FXP.MKDIR, string('/new'), NO_ATTRS) },
  { title: 'RMDIR', needs: ['delete-directories'], act: ask(FXP.RMDIR, string('/d')) },
  { title: 'RENAME', needs: ['rename-files'], act: ask(FXP.RENAME, string('/f'), string('/new')) },
  { title: 'RENAME of a directory', needs: ['rename-directories'], act: ask(FXP.RENAME, string('/d'), string('/new')) },
  { title: 'posix-rename', needs: ['rename-files'], act: extended('posix-rename@openssh.com', string('/f'), string('/new')) },
  {
    title: 'posix-rename over a file',
    needs: ['rename-files', 'overwrite'],
    act: extended('posix-rename@openssh.com', string('/f'), string('/g')),
  },
  { title: 'SYMLINK', needs: ['create-links'], act: ask(FXP.SYMLINK, string('f'), string('/new')) },
  {
    title: 'hardlink',
    needs: ['create-links', 'download', 'upload'],
    act: extended('hardlink@openssh.com', string('/f'), string('/new')),
  },
  { title: 'SETSTAT size', needs: ['overwrite'], act: ask(FXP.SETSTAT, string('/f'), u32(1), u64(1)) },
  { title: 'SETSTAT mode', needs: ['chmod'], act: ask(FXP.SETSTAT, string('/f'), u32(4), u32(0o600)) },
  { title: 'SETSTAT times', needs: ['chtimes'], act: ask(FXP.SETSTAT, string('/f'), u32(8), u32(1), u32(1)) },
  { title: 'SETSTAT owner', needs: ['chown'], act: ask(FXP.SETSTAT, string('/f'), u32(2), ...OWNER) },
  { title: 'lsetstat owner', needs: ['chown'], act: extended('lsetstat@openssh.com', string('/f'), u32(2), ...OWNER) },
  { title: 'lsetstat mode', needs: ['chmod'], act: extended('lsetstat@openssh.com', string('/f'), u32(4), u32(0o600)) },
  { title: 'lsetstat times', needs: ['chtimes'], act: extended('lsetstat@openssh.com', string('/f'), u32(8), u32(1), u32(1)) },
  { title: 'statvfs', needs: [], act: extended('statvfs@openssh.com', string('/f')) },
  { title: 'check-file', needs: ['download'], act: extended('check-file-name', string('/f'), string('md5'), u64(0), u64(0), u32(0)) },
  { title: 'md5-hash', needs: ['download'], act: extended('md5-hash', string('/f'), u64(0), u64(0), string('')) },
  { title: 'copy-data', needs: ['download', 'upload'], act: client => copyData(client, '/new') },
  { title: 'copy-data over a file', needs: ['download', 'overwrite'], act: client => copyData(client, '/g') },
  { title: 'scp -r of a directory to here', needs: ['list', 'download'], act: scp('scp -r -f /full', '\0\0\0\0\0\0') },
  { title: 'scp put', needs: ['upload'], act: scp('scp -t /new', 'C0644 1 x\nx\0') },
  { title: 'scp over a file', needs: ['overwrite'], act: scp('scp -t /f', 'C0644 1 x\nx\0') },
  { title: 'scp -r of a directory', needs: ['create-directories'], act: scp('scp -r -t /new', 'D0755 0 x\nE\n') },
  { title: 'scp -p', needs: ['upload', 'chmod', 'chtimes'], act: scp('scp -p -t /new', 'T1 0 1 0\nC0644 1 x\nx\0') },
  { title: 'scp get', needs: ['download'], act: scp('scp -f /f', '\0\0\0\0') },
  { title: 'sha256sum', needs: ['download'], act: checksum },
];

/** Brings the files that the rows name to how they expect them, by a client that may do everything. */
export async function prepare(client: RawSftp): Promise<void> {
  for (const path of ['/f', '/g', '/new', '/d']) {
    await client.request(FXP.REMOVE, string(path));
    await client.request(FXP.RMDIR, string(path));
  }
  await client.request(FXP.MKDIR, string('/d'), NO_ATTRS);
  await client.request(FXP.MKDIR, string('/full'), NO_ATTRS);
  for (const path of ['/f', '/g', '/full/file']) await client.put(path, Buffer.from('content'));
}

/** Runs every row as a user who has all rights but `missing`; gives what is not as the table says. */
export async function wrongRows(login: Login, missing: Right | undefined, full: RawSftp): Promise<readonly string[]> {
  const client = await RawSftp.connect(login);
  const wrong: string[] = [];
  for (const { title, needs, act } of ROWS) {
    await prepare(full);
    const code = await act(client, login);
    const denied = missing !== undefined && needs.includes(missing);
    if (denied ? code !== STATUS.PERMISSION_DENIED : code > STATUS.OK) wrong.push(`${title} with all but ${missing}: status ${code}`);
  }
  client.cut();
  return wrong;
}

async function codeOf(work: Promise<unknown>): Promise<number> {
  try {
    await work;
    return STATUS.OK;
  } catch (error) {
    if (error instanceof Refused) return error.code;
    throw error;
  }
}

async function copyData(client: RawSftp, to: string): Promise<number> {
  const opened = (answer: Answer) => (answer.type === FXP.HANDLE ? readString(answer.body, 0) : undefined);
  const first = await client.request(FXP.OPEN, string('/f'), u32(OPEN.READ), NO_ATTRS);
  const second = await client.request(FXP.OPEN, string(to), u32(CREATE), NO_ATTRS);
  const [source, target] = [opened(first), opened(second)];
  const copied =
    source && target && (await client.request(FXP.EXTENDED, string('copy-data'), string(source), u64(0), u64(0), string(target), u64(0)));
  for (const handle of [source, target]) if (handle) await client.close(handle);
  return copied ? copied.code : Math.max(first.code, second.code);
}

async function checksum(_client: RawSftp, login: Login): Promise<number> {
  const { code, stderr } = await runCommand(login, 'sha256sum /f');
  return stderr.includes('Permission denied') ? STATUS.PERMISSION_DENIED : code;
}
