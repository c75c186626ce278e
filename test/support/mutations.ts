import { FXP, OPEN, packet, string, u32, u64 } from './raw-sftp.js';

const EXTREMES = [0, 1, 255, 256, 0x3_ffff, 0x4_0000, 0x4_0001, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const PATHS = ['/', '/a', '/m', '/d', '/d/e', '..', '', '/no', '/m/', `/${'n'.repeat(300)}`, '/\u0000', '/d/../m', '.entrepot', '~'];
const EXTENSIONS = [
  'posix-rename@openssh.com',
  'statvfs@openssh.com',
  'fstatvfs@openssh.com',
  'hardlink@openssh.com',
  'fsync@openssh.com',
  'lsetstat@openssh.com',
  'limits@openssh.com',
  'expand-path@openssh.com',
  'copy-data',
  'home-directory',
  'users-groups-by-id@openssh.com',
  'check-file',
  'md5-hash',
  'nobody@example.com',
];
/** Of a thousand packets, those whose framing is broken too, after which no server goes on. */
const BROKEN_FRAMES = 6;

/** Requests of every kind, and what accidents and enemies make of them: the same ones for the same seed. */
export class Mutations {
  #state: number;
  #id = 0x4000_0000;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** The next one, about what `handle` stands for when it is right. */
  next(handle: Buffer): Buffer {
    return this.#mutate(this.#request(handle));
  }

  #random(below: number): number {
    // Mulberry32.
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random(from.length)]!;
  }

  #bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.#random(256)));
  }

  #request(handle: Buffer): Buffer {
    const path = () => string(this.#pick(PATHS));
    const held = string(handle);
    const attributes = () => (this.#random(2) ? u32(0) : Buffer.concat([u32(0xc), u32(0o600), u32(1), u32(2)]));
    const offset = () => u64(this.#random(65_536));
    const kinds: readonly (() => [type: number, ...parts: Buffer[]])[] = [
      () => [FXP.OPEN, path(), u32(this.#pick([OPEN.READ, OPEN.WRITE | OPEN.CREATE, 63, 0, 0xff])), attributes()],
      () => [FXP.CLOSE, string(this.#bytes(8))],
      () => [FXP.READ, held, offset(), u32(this.#random(65_536))],
      () => [FXP.WRITE, held, offset(), string(this.#bytes(this.#random(200)))],
      () => [FXP.WRITE, held, offset(), string(Buffer.alloc(this.#random(40_000), 'w'))],
      () => [this.#pick([FXP.LSTAT, FXP.STAT, FXP.OPENDIR, FXP.REMOVE, FXP.RMDIR, FXP.REALPATH, FXP.READLINK]), path()],
      () => [this.#pick([FXP.SETSTAT, FXP.MKDIR]), path(), attributes()],
      () => [FXP.FSETSTAT, held, attributes()],
      () => [this.#pick([FXP.FSTAT, FXP.READDIR]), held],
      () => [this.#pick([FXP.RENAME, FXP.SYMLINK]), path(), path()],
      () => [FXP.EXTENDED, string(this.#pick(EXTENSIONS)), this.#random(2) ? path() : held, path()],
    ];
    const [type, ...parts] = this.#pick(kinds)();
    return packet(type, u32(this.#id++), ...parts);
  }

  #mutate(bytes: Buffer): Buffer {
    const changes: readonly (() => Buffer)[] = [
      () => bytes,
      () => this.#flip(bytes),
      () => this.#flip(bytes),
      () => this.#extreme(bytes),
      () => this.#extreme(bytes),
      () => reframed(bytes.subarray(4, 5 + this.#random(bytes.length - 4))),
      () => reframed(Buffer.concat([bytes.subarray(4), this.#bytes(1 + this.#random(100))])),
      () => reframed(Buffer.concat([Buffer.of(this.#random(256)), bytes.subarray(5)])),
      () => reframed(this.#bytes(5 + this.#random(60))),
      () => Buffer.concat([bytes, bytes]),
    ];
    if (this.#random(1_000) >= BROKEN_FRAMES) return this.#pick(changes)();
    const broken = Buffer.from(bytes);
    if (this.#random(2)) broken.writeUInt32BE(this.#pick(EXTREMES));
    return broken.subarray(0, 1 + this.#random(broken.length));
  }

  /** Some bits of the content turned over. */
  #flip(bytes: Buffer): Buffer {
    const flipped = Buffer.from(bytes);
    for (let count = 1 + this.#random(6); count > 0; count--) {
      const at = 4 + this.#random(flipped.length - 4);
      flipped[at] = flipped[at]! ^ (1 << this.#random(8));
    }
    return flipped;
  }

  /** A number in the content, often a length, at its limits. */
  #extreme(bytes: Buffer): Buffer {
    if (bytes.length < 13) return this.#flip(bytes);
    const changed = Buffer.from(bytes);
    changed.writeUInt32BE(this.#pick(EXTREMES), 9 + this.#random(Math.min(changed.length - 12, 60)));
    return changed;
  }
}

/** A packet whose length is right again. */
function reframed(body: Buffer): Buffer {
  return body.length < 5 ? reframed(Buffer.concat([body, Buffer.alloc(5)])) : Buffer.concat([u32(body.length), body]);
}
