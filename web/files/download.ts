import { posix } from 'node:path';
import { Readable } from 'node:stream';
import type { ResponseObject } from '@hapi/hapi';
import { type FileInfo, HubError, type Transfer, type VirtualFileSystem } from '#core/api.js';
import type { Call } from '../http/route.js';

const CHUNK_BYTES = 262_144;

/** First and last byte, the last one included. */
interface Span {
  readonly first: number;
  readonly last: number;
}

/** Answers with the content of a file, or the range of it that is asked for. Whatever is in it, a browser saves it and shows nothing. */
export async function download({ request, h }: Call, files: VirtualFileSystem, path: string): Promise<ResponseObject> {
  const { headers } = request.raw.req;
  const info = await files.stat(path, { unfinished: false });
  if (info.type === 'directory') throw new HubError('is-a-directory', 'Is a directory');
  if (matches(headers['if-none-match'], etagOf(info))) return withFacts(h.response().code(304), info);
  const wanted = headers['if-range'] === undefined || headers['if-range'] === etagOf(info) ? spanOf(headers.range, info.size) : undefined;
  if (wanted === 'unsatisfiable') return h.response().code(416).header('content-range', `bytes */${info.size}`);
  const span = wanted ?? { first: 0, last: info.size - 1 };
  const length = span.last - span.first + 1;
  const body = request.raw.req.method === 'HEAD' ? undefined : await contentOf(files, path, span, info);
  const response = withFacts(h.response(body).code(wanted ? 206 : 200), info).type('application/octet-stream');
  if (wanted) response.header('content-range', `bytes ${span.first}-${span.last}/${info.size}`);
  return response
    .header('content-length', String(length))
    .header('content-disposition', dispositionOf(posix.basename(files.resolve(path))))
    .header('content-security-policy', "default-src 'none'; sandbox");
}

/** Opened before anything is answered, so that a refusal is one. */
async function contentOf(files: VirtualFileSystem, path: string, { first, last }: Span, info: FileInfo): Promise<Readable> {
  const transfer = await files.open(path, { read: true });
  const now = await transfer.stat();
  if (now.size !== info.size || etagOf(now) !== etagOf(info)) {
    await transfer.abort('The file changed');
    throw new HubError('conflict', 'The file changes at the moment, try again');
  }
  return new FileContent(transfer, first, last + 1);
}

/** The bytes of an open file from `position` to `end`. A reader that leaves before makes a failed download. */
class FileContent extends Readable {
  constructor(
    private readonly transfer: Transfer,
    private position: number,
    private readonly end: number,
  ) {
    super({ highWaterMark: CHUNK_BYTES });
  }

  override _read(): void {
    this.#next().catch((error: unknown) => this.destroy(error as Error));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const left = this.position < this.end;
    const ended = left || error ? this.transfer.abort(error?.message ?? 'The client left') : this.transfer.close();
    ended.then(
      () => done(error),
      (failure: Error) => done(error ?? failure),
    );
  }

  async #next(): Promise<void> {
    if (this.position >= this.end) return void this.push(null);
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, this.end - this.position));
    const count = await this.transfer.read(chunk, this.position);
    if (count === 0) throw new HubError('conflict', 'The file became shorter while it was read');
    this.position += count;
    this.push(chunk.subarray(0, count));
  }
}

function withFacts(response: ResponseObject, info: FileInfo): ResponseObject {
  return response
    .header('etag', etagOf(info))
    .header('last-modified', new Date(info.mtime).toUTCString())
    .header('accept-ranges', 'bytes')
    .header('cache-control', 'private, no-cache');
}

/** What names this content of a file to HTTP. */
export function etagOf({ etag, size, mtime }: FileInfo): string {
  return `"${(etag ?? `${size}-${Math.round(mtime)}`).replace(/[^\x21\x23-\x7e]/g, '-')}"`;
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === '*' || header.split(',').some(one => one.trim().replace(/^W\//, '') === etag);
}

/** One range of bytes (RFC 9110, 14.2); undefined for none, several, and what is none, which all mean the whole file. */
function spanOf(header: string | undefined, size: number): Span | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.replaceAll(' ', '') ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  if (match[1] === '') {
    const suffix = Math.min(Number(match[2]), size);
    return suffix === 0 ? 'unsatisfiable' : { first: size - suffix, last: size - 1 };
  }
  const first = Number(match[1]);
  const last = match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (match[2] !== '' && Number(match[2]) < first) return undefined;
  return first >= size ? 'unsatisfiable' : { first, last };
}

/** Saved under its name, whatever is in that (RFC 6266). */
function dispositionOf(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(Buffer.from(name).toString()).replace(
    /['()*]/g,
    sign => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
