import { HubError } from '../errors.js';

const USERNAME = /^[\p{L}\p{N}][\p{L}\p{N}._@+-]{0,63}$/u;
const STORAGE = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$/u;

/**
 * The name as it is kept (NFKC). Throws 'invalid-request' unless it is 1 to 64 letters, digits and '._@+-' and starts with a
 * letter or digit: it is safe as a directory name.
 */
export function checkUsername(name: string): string {
  const kept = name.normalize('NFKC');
  if (USERNAME.test(kept)) return kept;
  throw new HubError(
    'invalid-request',
    "A user name has 1 to 64 letters, digits and the signs '.', '_', '@', '+' and '-', and starts with a letter or digit",
  );
}

/** What two user names are compared by: 'Alice' and 'ａｌｉｃｅ' are one user. */
export function foldUsername(name: string): string {
  // Lower case can undo the normal form: 'İ' becomes 'i' and a combining dot.
  return name.normalize('NFKC').toLowerCase().normalize('NFKC');
}

/** The name as it is kept (NFC). Throws 'invalid-request' unless it is 1 to 64 letters, digits and '._-' and starts with a letter or digit. */
export function checkStorageName(name: string): string {
  const kept = name.normalize('NFC');
  if (STORAGE.test(kept)) return kept;
  throw new HubError(
    'invalid-request',
    "A storage name has 1 to 64 letters, digits and the signs '.', '_' and '-', and starts with a letter or digit",
  );
}
