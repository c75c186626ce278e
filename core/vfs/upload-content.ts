import type { StorageHandle } from '../storage/backend.js';

const CHUNK_BYTES = 256 * 1024;

/** What was written to `handle` so far, from its beginning; read through `second`, which is closed at the end, where that is given. */
export async function* uploadContent(handle: StorageHandle, second: StorageHandle | undefined): AsyncGenerator<Uint8Array> {
  try {
    for (let position = 0; ; ) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const count = await (second ?? handle).read(chunk, position);
      if (count === 0) return;
      position += count;
      yield chunk.subarray(0, count);
    }
  } finally {
    await second?.close();
  }
}
