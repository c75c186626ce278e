import type { ExecutionContext } from 'ava';
import { type ErrorCode, HubError } from '#core/errors.js';
import type { FileInfo, OpenFlags, StorageBackend } from '#core/storage/backend.js';

/** The methods that a backend may leave out. */
export type OptionalMethod = {
  [M in keyof StorageBackend]-?: undefined extends StorageBackend[M] ? M : never;
}[keyof StorageBackend];

/** One case of the suite. */
export interface StorageCase {
  readonly title: string;
  /** Methods without which the case does not apply. */
  readonly needs: readonly OptionalMethod[];
  /** What else has to hold for the case to apply, and what is said where it does not. */
  readonly condition?: Condition;
  run(t: ExecutionContext, storage: StorageBackend): Promise<unknown>;
}

export interface Condition {
  readonly absent: string;
  holds(storage: StorageBackend): boolean;
}

type With<M extends OptionalMethod> = StorageBackend & Required<Pick<StorageBackend, M>>;
type Run<M extends OptionalMethod> = (t: ExecutionContext, storage: With<M>) => Promise<unknown>;

/** Cases, by title, for backends that have all of `needs`. */
export function cases<M extends OptionalMethod>(
  needs: readonly M[],
  condition: Condition | undefined,
  runs: Readonly<Record<string, Run<M>>>,
): readonly StorageCase[] {
  return Object.entries(runs).map(([title, run]) => ({
    title,
    needs,
    ...(condition ? { condition } : {}),
    run: (t, storage) => run(t, storage as With<M>),
  }));
}

const WRITING: readonly OptionalMethod[] = ['mkdir', 'removeFile', 'removeDirectory', 'rename', 'copy', 'setAttributes'];

export const writable: Condition = {
  absent: 'the backend is read-only: it has none of the methods that change something',
  holds: storage => WRITING.some(method => storage[method] !== undefined),
};

export const writesAnywhere: Condition = {
  absent: 'features.randomWrites is false, or the backend is read-only',
  holds: storage => writable.holds(storage) && storage.features.randomWrites,
};

export const writesAtomically: Condition = {
  absent: 'features.atomicWrites is false, or the backend is read-only',
  holds: storage => writable.holds(storage) && storage.features.atomicWrites,
};

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Writes a whole file, in pieces of 64 KiB one after the other. */
export async function put(storage: StorageBackend, path: string, content: string | Uint8Array, flags: OpenFlags = REPLACE): Promise<void> {
  const data = typeof content === 'string' ? bytes(content) : content;
  const handle = await storage.open(path, flags);
  try {
    for (let start = 0; start < data.length; start += 65_536) await handle.write(data.subarray(start, start + 65_536), start);
  } catch (error) {
    await handle.abort();
    throw error;
  }
  await handle.close();
}

export const REPLACE: OpenFlags = { write: true, create: true, truncate: true };

/** Reads a whole file, `step` bytes at a time. */
export async function getBytes(storage: StorageBackend, path: string, step = 65_536): Promise<Uint8Array> {
  const handle = await storage.open(path, { read: true });
  const pieces: Uint8Array[] = [];
  let position = 0;
  try {
    for (;;) {
      const target = new Uint8Array(step);
      const count = await handle.read(target, position);
      if (count === 0) return Buffer.concat(pieces);
      pieces.push(target.subarray(0, count));
      position += count;
    }
  } finally {
    await handle.close();
  }
}

export async function get(storage: StorageBackend, path: string): Promise<string> {
  return new TextDecoder().decode(await getBytes(storage, path));
}

export async function listAll(storage: StorageBackend, path: string): Promise<readonly FileInfo[]> {
  const all: FileInfo[] = [];
  for await (const batch of storage.list(path)) all.push(...batch);
  return all;
}

export async function namesIn(storage: StorageBackend, path: string): Promise<readonly string[]> {
  return (await listAll(storage, path)).map(info => info.name).sort();
}

/** The failure of `action`, which must be a HubError with one of `codes`; with none of them, of any code but 'internal'. */
export async function refuses(t: ExecutionContext, action: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<void> {
  const error = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error === undefined) {
    t.fail(`succeeded, and should have failed${codes.length > 0 ? ` with ${codes.join(' or ')}` : ''}`);
  } else if (!(error instanceof HubError)) {
    t.fail(`failed with ${String(error)}, which is no HubError`);
  } else {
    t.true(codes.length > 0 ? codes.includes(error.code) : error.code !== 'internal', `failed with '${error.code}': ${error.message}`);
  }
}

/** Whether `path` is there, a link itself included where the backend can tell. */
export async function exists(storage: StorageBackend, path: string): Promise<boolean> {
  try {
    await (storage.lstat ? storage.lstat(path) : storage.stat(path));
    return true;
  } catch (error) {
    if (error instanceof HubError && (error.code === 'not-found' || error.code === 'not-a-directory')) return false;
    throw error;
  }
}

/** Bytes that differ from place to place, so that a piece in the wrong place shows. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8) * 7) & 0xff);
}
