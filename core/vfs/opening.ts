import { HubError } from '../errors.js';
import type { FileInfo, OpenFlags, StagedFile, StorageHandle } from '../storage/backend.js';
import { orderedHandle } from '../storage/handles.js';
import type { Location } from './mounts.js';
import type { Beginning } from './resume.js';
import { canStage, stageUpload } from './staging.js';

/** How what is written gets to its place: in one step at close() ('native', 'staged'), or as it arrives ('direct'). */
export type WritePlan =
  | { readonly kind: 'native'; readonly before: FileInfo | undefined }
  | {
      readonly kind: 'staged';
      readonly staged: StagedFile;
      readonly before: FileInfo | undefined;
      readonly mayReplace: boolean;
      readonly begunBytes: number;
    }
  | { readonly kind: 'direct'; readonly before: FileInfo | undefined; readonly changed: boolean };

/** A storage handle, and how what is written to it gets to its place; no plan means that it is only read. */
export interface Opened {
  readonly handle: StorageHandle;
  readonly plan: WritePlan | undefined;
}

/** What decides the plan of an upload. */
export interface OpenRequest {
  readonly flags: OpenFlags;
  /** What is at the place now. */
  readonly existing: FileInfo | undefined;
  /** Whether a file that appears at the place in the meantime may be replaced. */
  readonly mayReplace: boolean;
  readonly stagingPrefix: string;
  /** Where an earlier upload to the place may have been interrupted. */
  readonly beginning?: Beginning;
}

/**
 * Opens the file of `location` for what `flags` ask: reading; 'native' where the backend publishes at close itself; 'staged'
 * (a temporary name, renamed at close, so that the old file is whole until the new one is) for new, replaced and resumed files;
 * 'direct' to go on with an existing one. Throws what the backend throws.
 */
export async function openForPlan(location: Location, request: OpenRequest): Promise<Opened> {
  const { backend, storagePath } = location;
  const { flags, existing, mayReplace } = request;
  if (!flags.write) return { handle: await backend.open(storagePath, { read: true }), plan: undefined };
  const resumed = await request.beginning?.begin?.();
  if (resumed) return stagedPlan(resumed.staged, existing, mayReplace, resumed.size);
  if (request.beginning?.resumes && !flags.create) throw new HubError('not-found', 'No such file or directory');
  const continues = existing !== undefined && !flags.truncate;
  if (!continues && canStage(backend)) return stagedPlan(await stageUpload(location, request.stagingPrefix), existing, mayReplace);
  const opened = await backend.open(storagePath, flags);
  const handle = backend.features.randomWrites ? opened : orderedHandle(opened);
  if (backend.features.atomicWrites && !continues) return { handle, plan: { kind: 'native', before: existing } };
  return { handle, plan: { kind: 'direct', before: existing, changed: !continues } };
}

/** What a staged upload is opened as; `begunBytes` is what it holds already. */
export function stagedPlan(staged: StagedFile, before: FileInfo | undefined, mayReplace: boolean, begunBytes = 0): Opened {
  return { handle: staged, plan: { kind: 'staged', staged, before, mayReplace, begunBytes } };
}
