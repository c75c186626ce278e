import type { en } from './en/index.js';
import type { Text } from './text.js';

/** A name of a text. */
export type Key = keyof typeof en;

/** Every text of a language. */
export type Catalogue = Readonly<Record<Key, Text>>;

/** Asks for all texts of the pages in a language, which are a script of their own: a reader needs but one. */
export const catalogues: Readonly<Record<'en' | 'de', () => Promise<Catalogue>>> = {
  en: async () => (await import('./en/index.js')).en,
  de: async () => (await import('./de/index.js')).de,
};
