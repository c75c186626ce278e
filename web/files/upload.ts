import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type FileInfo, HubError, type Transfer, toHubError, type VirtualFileSystem } from '#core/api.js';
import { StaleVersion } from '#core/errors.js';
import type { Call } from '../http/route.js';
import { etagOf } from './download.js';

/**
 * Writes the body of the request to a file, which is published when the whole body has arrived and its digest, where one is given, is
 * right, and what If-Match names is still there. A body that is cut off publishes nothing; what arrived is kept for its user as it is after a cut-off upload over SFTP.
 */
export async function upload(
  { request }: Pick<Call, 'request'>,
  files: VirtualFileSystem,
  path: string,
  overwrite: boolean,
): Promise<FileInfo> {
  const { req } = request.raw;
  const { headers } = req;
  if (headers['content-range'] !== undefined) throw new HubError('invalid-request', 'Content-Range is not taken: send the whole file');
  const requires = headers['if-match'] === undefined ? undefined : requirement(headers['if-match']);
  requires?.(await publishedAt(files, path));
  const digest = wantedDigest(headers);
  const exclusive = !overwrite || headers['if-none-match'] === '*';
  const transfer = await files.open(path, { write: true, create: true, truncate: true, ...(exclusive && { exclusive: true }) });
  try {
    const received = await receive(req, transfer, digest !== undefined);
    if (digest !== undefined && received !== digest) throw new HubError('invalid-request', 'The digest is not that of what arrived');
  } catch (error) {
    const failure = toHubError(error);
    if (isLost(error, req)) await transfer.interrupt('The client was lost');
    else await transfer.abort(failure);
    throw failure.code === 'internal' && isLost(error, req) ? new HubError('aborted', 'The body was cut off', { cause: error }) : failure;
  }
  // Others may have published while the body arrived.
  await transfer.close(requires);
  return files.stat(path);
}

/** Gives the SHA-256 of what arrived, in base64, where it is `digested`. */
async function receive(body: IncomingMessage, transfer: Transfer, digested: boolean): Promise<string | undefined> {
  const hash = digested ? createHash('sha256') : undefined;
  let position = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    hash?.update(chunk);
    await transfer.write(chunk, position);
    position += chunk.length;
  }
  // A connection that ends early may look like an end.
  if (!body.complete) throw new HubError('aborted', 'The body was cut off');
  return hash?.digest('base64');
}

function isLost(error: unknown, { complete, destroyed }: IncomingMessage): boolean {
  return !complete && (destroyed || (error instanceof HubError && error.code === 'aborted'));
}

function requirement(header: string): (there: FileInfo | undefined) => void {
  const wanted = [header, ...header.split(',')].map(one => one.trim());
  return there => {
    if (!there || !(wanted.includes('*') || wanted.includes(etagOf(there)))) throw new StaleVersion('The file has changed in the meantime');
  };
}

function publishedAt(files: VirtualFileSystem, path: string): Promise<FileInfo | undefined> {
  return files.stat(path, { unfinished: false }).catch((error: unknown) => {
    if (toHubError(error).code === 'not-found') return undefined;
    throw error;
  });
}

/** RFC 9530: ':base64:' under 'sha-256'. */
function wantedDigest(headers: IncomingMessage['headers']): string | undefined {
  const header = headers['repr-digest'] ?? headers['content-digest'];
  if (header === undefined) return undefined;
  const match = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(String(header));
  if (!match) throw new HubError('invalid-request', 'Of digests, sha-256 is understood');
  return match[1];
}
