/** Requests of one connection that are not answered yet; the next ones wait in the network. OpenSSH's client has 64 in flight. */
const MAX_REQUESTS = 64;
/** Bytes of WRITEs that the storage has not taken yet. */
const MAX_UNWRITTEN_BYTES = 4 * 1024 * 1024;
/** Bytes of answers that the client has not taken yet. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;
/** Buffers of READs whose answers the client has not taken yet: one of them may hold a single byte. */
const MAX_HELD_BUFFERS = 32;

/**
 * What each channel of a connection may have in flight: an equal part of what the connection may, so that ten channels
 * hold no more than one, and one that is stuck does not stop the others. Read for every request, hence plain numbers.
 */
export class Share {
  #channels = 0;
  requests = MAX_REQUESTS;
  unwrittenBytes = MAX_UNWRITTEN_BYTES;
  unsentBytes = MAX_UNSENT_BYTES;
  heldBuffers = MAX_HELD_BUFFERS;

  /** A channel begins. */
  join(): void {
    this.#divide(this.#channels + 1);
  }

  /** A channel has ended. */
  leave(): void {
    this.#divide(this.#channels - 1);
  }

  #divide(channels: number): void {
    this.#channels = channels;
    const parts = Math.max(1, channels);
    this.requests = Math.floor(MAX_REQUESTS / parts);
    this.unwrittenBytes = Math.floor(MAX_UNWRITTEN_BYTES / parts);
    this.unsentBytes = Math.floor(MAX_UNSENT_BYTES / parts);
    this.heldBuffers = Math.floor(MAX_HELD_BUFFERS / parts);
  }
}
