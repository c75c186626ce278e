import { Readable } from 'node:stream';
import type { OpenFlags, StorageHandle } from '../storage/backend.js';
import type { Location } from './mounts.js';
import type { WritePlan } from './opening.js';
import type { SessionScope, VfsServices } from './scope.js';
import { uploadContent } from './upload-content.js';

/** An upload that is complete, and still open. */
export interface CompleteUpload {
  readonly location: Location;
  readonly handle: StorageHandle;
  readonly flags: OpenFlags;
  readonly plan: WritePlan;
  readonly size: number;
}

/** Asks the guards of 'publish' about an upload, where there are any. Throws what the first one that refuses throws. */
export async function askPublish(scope: SessionScope, { guards }: VfsServices, upload: CompleteUpload): Promise<void> {
  if (!guards.has('publish')) return;
  const { location, plan, size } = upload;
  // What a native plan has written is nowhere to be seen yet.
  const localPath =
    plan.kind === 'native'
      ? undefined
      : location.backend.localPath?.(plan.kind === 'staged' ? plan.staged.temporary : location.storagePath);
  await guards.ask('publish', {
    session: scope.info,
    path: location.path,
    size,
    content: () => Readable.from(contentOf(upload)),
    ...(localPath !== undefined && { localPath }),
  });
}

async function* contentOf({ location, handle, flags, plan }: CompleteUpload): AsyncGenerator<Uint8Array> {
  // A file that is written in place may be open for writing only.
  const second = plan.kind === 'direct' && !flags.read ? await location.backend.open(location.storagePath, { read: true }) : undefined;
  yield* uploadContent(handle, second);
}
