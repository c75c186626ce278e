/** The path of an entry of a folder. */
export function childOf(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}

/** The folder that a path is in. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** The last segment of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Where the page of a folder is. */
export function pageOf(folder: string): string {
  return folder === '/' ? '/' : `/files${folder.split('/').map(encodeURIComponent).join('/')}`;
}

/** The folder that an address names: what follows '/files'. */
export function folderOf(rest: string): string {
  const segments = rest.split('/').filter(segment => segment !== '');
  return `/${segments.map(decode).join('/')}`;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
