import { HubError } from '#core/api.js';

/** The longest path, its verb, and room for what no client sends. */
const MAX_LINE_BYTES = 8_192;
const LF = 0x0a;
const CR = 0x0d;
const IAC = 0xff;
/** From here on, the byte after IAC is a telnet command (RFC 854); what comes after a lone IAC belongs to the line. */
const FIRST_TELNET_COMMAND = 0xf0;
const WILL = 0xfb;
const DONT = 0xfe;

/** Cuts what a client sends into lines, without their ends and without what telnet puts between. A line ends in LF; a CR before it goes too. */
export class LineReader {
  #held: Buffer[] = [];
  #heldBytes = 0;

  /** The lines that `chunk` completes. Throws 'invalid-request' for a line over 8 KiB; nothing may be read after it. */
  push(chunk: Buffer): readonly Buffer[] {
    const lines: Buffer[] = [];
    let from = 0;
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, from)) {
      lines.push(this.#complete(chunk.subarray(from, at)));
      from = at + 1;
    }
    if (from < chunk.length) this.#hold(chunk.subarray(from));
    return lines;
  }

  /** Forgets the beginning of a line. */
  clear(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }

  #complete(end: Buffer): Buffer {
    this.#hold(end);
    const line = this.#held.length === 1 ? end : Buffer.concat(this.#held);
    this.clear();
    return withoutTelnet(line.at(-1) === CR ? line.subarray(0, -1) : line);
  }

  #hold(piece: Buffer): void {
    this.#heldBytes += piece.length;
    if (this.#heldBytes > MAX_LINE_BYTES) throw new HubError('invalid-request', 'Line too long');
    this.#held.push(piece);
  }
}

/** Clients put IAC IP and IAC DM before ABOR (RFC 959, section 4.1.3); the kernel may keep DM back as urgent data. */
function withoutTelnet(line: Buffer): Buffer {
  if (!line.includes(IAC)) return line;
  const rest: number[] = [];
  for (let at = 0; at < line.length; at++) {
    const [byte, next] = [line[at]!, line[at + 1] ?? 0];
    if (byte !== IAC) rest.push(byte);
    else if (next === IAC) rest.push(line[++at]!);
    else if (next >= FIRST_TELNET_COMMAND) at += next >= WILL && next <= DONT ? 2 : 1;
  }
  return Buffer.from(rest);
}
