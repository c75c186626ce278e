import type { StorageHandle } from '../storage/backend.js';

/** Writes the pieces one after the other from `position`, in one call where the backend has one. */
export async function writePieces(handle: StorageHandle, pieces: readonly Uint8Array[], position: number): Promise<void> {
  if (handle.writev && pieces.length > 1) return handle.writev(pieces, position);
  let offset = position;
  for (const piece of pieces) {
    await handle.write(piece, offset);
    offset += piece.length;
  }
}

/** Bytes of all pieces together. */
export function totalBytes(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}
