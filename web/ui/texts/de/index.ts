import { common } from './common.js';
import { navigation } from './navigation.js';

/** German, complete. */
export const de = { ...common, ...navigation };
