import { common } from './common.js';
import { delivery } from './delivery.js';
import { files } from './files.js';
import { navigation } from './navigation.js';
import { overview } from './overview.js';
import { system } from './system.js';
import { users } from './users.js';

/** German, complete. */
export const de = { ...common, ...delivery, ...files, ...navigation, ...overview, ...system, ...users };
