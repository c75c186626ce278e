import { de } from './de/index.js';
import { en } from './en/index.js';
import type { Text } from './text.js';

/** A name of a text. */
export type Key = keyof typeof en;

/** Every text of a language. */
export type Catalogue = Readonly<Record<Key, Text>>;

/** All texts of the pages, by language. */
export const catalogues: Readonly<Record<'en' | 'de', Catalogue>> = { en, de };
