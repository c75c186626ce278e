import { common } from './common.js';
import { navigation } from './navigation.js';

/** English: the language that all others are complete against. */
export const en = { ...common, ...navigation };
