import type { Route } from '../http/route.js';
import { adminRoutes } from './admins.js';
import { apiKeyRoutes } from './api-keys.js';
import { backupRoutes } from './backups.js';
import { eventRoutes } from './events.js';
import { exportRoutes } from './export.js';
import { fileRoutes } from './files.js';
import { hubRoutes } from './hub.js';
import { keysOfHubRoutes } from './keys-of-hub.js';
import { liveRoutes } from './live.js';
import { meRoutes } from './me.js';
import { secondFactorRoutes } from './second-factor.js';
import { securityRoutes } from './security.js';
import { sessionRoutes } from './session.js';
import { storageRoutes } from './storages.js';
import { targetRoutes } from './targets.js';
import { userRoutes } from './users.js';
import { webhookRoutes } from './webhooks.js';

/** Every route below /api/v1. */
export const API_ROUTES: readonly Route[] = [
  ...sessionRoutes,
  ...meRoutes,
  ...secondFactorRoutes,
  ...fileRoutes,
  ...userRoutes,
  ...adminRoutes,
  ...apiKeyRoutes,
  ...storageRoutes,
  ...webhookRoutes,
  ...targetRoutes,
  ...exportRoutes,
  ...eventRoutes,
  ...securityRoutes,
  ...hubRoutes,
  ...backupRoutes,
  ...keysOfHubRoutes,
  ...liveRoutes,
];
