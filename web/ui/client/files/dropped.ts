/** A file that was dropped or chosen, or a folder that has nothing in it, and where it goes below the folder that is shown. */
export interface Dropped {
  readonly path: string;
  readonly file?: File;
}

/** What was dropped, folders with all that is in them. Must be called while the event is handled. */
export async function droppedFiles(transfer: DataTransfer): Promise<readonly Dropped[]> {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry()).filter(entry => entry !== null);
  if (entries.length === 0) return [...transfer.files].map(file => ({ path: file.name, file }));
  return (await Promise.all(entries.map(entry => walk(entry, '')))).flat();
}

async function walk(entry: FileSystemEntry, below: string): Promise<readonly Dropped[]> {
  const path = below === '' ? entry.name : `${below}/${entry.name}`;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Dropped[] = [];
  let isEmpty = true;
  // A reader gives at most a hundred entries at a time, and none when there are no more.
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return isEmpty ? [{ path }] : found;
    isEmpty = false;
    for (const one of batch) found.push(...(await walk(one, path)));
  }
}
