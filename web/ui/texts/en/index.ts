import { common } from './common.js';
import { delivery } from './delivery.js';
import { files } from './files.js';
import { navigation } from './navigation.js';
import { overview } from './overview.js';
import { system } from './system.js';
import { users } from './users.js';

/** English: the language that all others are complete against. */
export const en = { ...common, ...delivery, ...files, ...navigation, ...overview, ...system, ...users };
