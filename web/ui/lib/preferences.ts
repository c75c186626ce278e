/** What a reader chose for this browser; assets/first-paint-2.js reads the same keys. */
const SCHEME = 'entrepot.scheme';
const LANGUAGE = 'entrepot.language';

export type Scheme = 'auto' | 'light' | 'dark';
export type Language = 'en' | 'de';

/** The languages that the pages speak, by their own names. */
export const LANGUAGES: readonly { readonly value: Language; readonly name: string }[] = [
  { value: 'en', name: 'English' },
  { value: 'de', name: 'Deutsch' },
];

/** The chosen language, or the browser's, or English. */
export function storedLanguage(): Language {
  const stored = read(LANGUAGE);
  if (stored === 'en' || stored === 'de') return stored;
  return navigator.language.toLowerCase().startsWith('de') ? 'de' : 'en';
}

/** Keeps the language for the next visit. */
export function storeLanguage(language: Language): void {
  write(LANGUAGE, language);
  document.documentElement.lang = language;
}

/** The chosen colour scheme; `auto` follows the system. */
export function storedScheme(): Scheme {
  const stored = read(SCHEME);
  return stored === 'light' || stored === 'dark' ? stored : 'auto';
}

/** Keeps the colour scheme for the next visit. */
export function storeScheme(scheme: Scheme): void {
  write(SCHEME, scheme);
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing still shows what was chosen until the page is left.
  }
}
