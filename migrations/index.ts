import * as accounts from './0001_accounts.js';
import * as storage from './0002_storage.js';
import * as events from './0003_events.js';
import * as logins from './0004_logins.js';
import * as uploads from './0005_uploads.js';
import * as loginFailures from './0006_login_failures.js';
import * as web from './0007_web.js';
import * as processes from './0008_processes.js';
import * as lists from './0009_lists.js';
import * as requests from './0010_requests.js';
import * as processPlaces from './0011_process_places.js';
import * as targetPaces from './0012_target_paces.js';

/** Every step of the schema, in order. A step that was released is never changed: what it lacks comes in a new one. */
export const migrations = [
  { name: '0001_accounts', up: accounts.up },
  { name: '0002_storage', up: storage.up },
  { name: '0003_events', up: events.up },
  { name: '0004_logins', up: logins.up },
  { name: '0005_uploads', up: uploads.up },
  { name: '0006_login_failures', up: loginFailures.up },
  { name: '0007_web', up: web.up },
  { name: '0008_processes', up: processes.up },
  { name: '0009_lists', up: lists.up },
  { name: '0010_requests', up: requests.up },
  { name: '0011_process_places', up: processPlaces.up },
  { name: '0012_target_paces', up: targetPaces.up },
] as const;
