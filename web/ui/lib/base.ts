/** Where the hub's pages begin: '/' or the base path that the hub was given, from the document's base element. */
export const BASE = new URL(document.baseURI).pathname.replace(/\/$/, '');

/** The address of something of the hub, below its base path. */
export function at(path: string): string {
  return `${BASE}${path}`;
}

/** The address that others reach the hub's pages at. */
export function absolute(path: string): string {
  return new URL(at(path), location.origin).href;
}
