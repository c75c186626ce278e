import type { Route } from '../http/route.js';
import { sessionRoutes } from './session.js';
import { userRoutes } from './users.js';

/** Every route below /api/v1. */
export const API_ROUTES: readonly Route[] = [...sessionRoutes, ...userRoutes];
