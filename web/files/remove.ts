import { type FileInfo, HubError, type VirtualFileSystem } from '#core/api.js';

const MAX_DEPTH = 200;

/** Removes what is at `path`, what is in it first where that is wanted: each of it with its right, its guard and its event. */
export async function removeTree(files: VirtualFileSystem, path: string, recursive: boolean, depth = 0): Promise<void> {
  const { type } = await files.lstat(path);
  if (type !== 'directory') return files.removeFile(path);
  if (recursive) {
    if (depth > MAX_DEPTH) throw new HubError('invalid-request', 'The directories are nested too deeply');
    const entries: FileInfo[] = [];
    for await (const batch of files.list(path)) entries.push(...batch);
    for (const { name } of entries) await removeTree(files, path.endsWith('/') ? `${path}${name}` : `${path}/${name}`, true, depth + 1);
  }
  return files.removeDirectory(path);
}
