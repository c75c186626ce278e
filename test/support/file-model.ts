import assert from 'node:assert/strict';
import { FXP, OPEN, type RawSftp, readString, STATUS, string, u32, u64 } from './raw-sftp.js';

const MAX_BYTES = 300_000;
const NAMES = ['a', 'b', 'c'].map(name => `/model-${name}`);

interface OpenModel {
  readonly handle: Buffer;
  readonly path: string;
  content: Buffer;
}

/** Random numbers below a limit, the same for the same seed (mulberry32). */
function randomOf(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return limit => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/**
 * Writes, reads, cuts, reopens and renames files at random, `count` times, and keeps the same in memory. Throws at the first mismatch;
 * gives how often each operation ran. `corrupt` changes what was read, for a control.
 */
export async function compareWithModel(
  client: RawSftp,
  count: number,
  seed: number,
  corrupt = (bytes: Buffer) => bytes,
): Promise<Readonly<Record<string, number>>> {
  const random = randomOf(seed);
  const files = new Map<string, Buffer>();
  const ran: Record<string, number> = {};
  let file: OpenModel | undefined;
  const ok = async (type: number, ...parts: readonly Buffer[]) => assert.equal((await client.request(type, ...parts)).code, STATUS.OK);

  const open = async (truncate: boolean): Promise<OpenModel> => {
    const path = NAMES[random(NAMES.length)]!;
    const flags = OPEN.READ | OPEN.WRITE | OPEN.CREATE | (truncate ? OPEN.TRUNCATE : 0);
    return { handle: await client.open(path, flags), path, content: truncate ? Buffer.alloc(0) : (files.get(path) ?? Buffer.alloc(0)) };
  };
  const close = async ({ handle, path, content }: OpenModel) => {
    await ok(FXP.CLOSE, string(handle));
    files.set(path, content);
  };
  const operations: Record<string, (opened: OpenModel) => Promise<void>> = {
    async write(opened) {
      const [offset, length] = [random(MAX_BYTES - 70_000), random(10) === 0 ? random(70_000) : random(2_000)];
      const data = Buffer.alloc(length, random(256));
      await ok(FXP.WRITE, string(opened.handle), u64(offset), string(data));
      if (length > 0) opened.content = splice(opened.content, data, offset);
    },
    async read(opened) {
      const [offset, length] = [random(MAX_BYTES), 1 + random(70_000)];
      const answer = await client.request(FXP.READ, string(opened.handle), u64(offset), u32(length));
      const wanted = opened.content.subarray(offset, offset + length);
      if (wanted.length === 0) assert.equal(answer.code, STATUS.EOF);
      else assert.ok(corrupt(readString(answer.body, 0)).equals(wanted), `READ of ${length} at ${offset} differs`);
    },
    async truncate(opened) {
      const size = random(MAX_BYTES);
      await ok(FXP.FSETSTAT, string(opened.handle), u32(1), u64(size));
      opened.content = Buffer.concat([opened.content.subarray(0, size)], size);
    },
    async reopen(opened) {
      await close(opened);
      file = await open(random(4) === 0);
    },
    async rename(opened) {
      await close(opened);
      const [from, to] = [opened.path, NAMES[random(NAMES.length)]!];
      await ok(FXP.EXTENDED, string('posix-rename@openssh.com'), string(from), string(to));
      const moved = files.get(from)!;
      files.delete(from);
      files.set(to, moved);
      assert.ok(corrupt(await client.get(to)).equals(moved), `${to} differs after the rename`);
      file = await open(false);
    },
  };
  const choices = ['write', 'write', 'write', 'write', 'read', 'read', 'read', 'read', 'truncate', 'reopen', 'reopen', 'rename'];
  for (let done = 0; done < count; done++) {
    file ??= await open(true);
    const choice = choices[random(choices.length)]!;
    await operations[choice]!(file);
    ran[choice] = (ran[choice] ?? 0) + 1;
  }
  if (file) await close(file);
  for (const [path, content] of files) assert.ok(corrupt(await client.get(path)).equals(content), `${path} differs at the end`);
  return ran;
}

function splice(content: Buffer, data: Buffer, offset: number): Buffer {
  const changed = Buffer.alloc(Math.max(content.length, offset + data.length));
  content.copy(changed);
  data.copy(changed, offset);
  return changed;
}
