import { API_ROUTES } from '../api/index.js';
import { describeRoutes } from './document.js';
import { renderTypes } from './types.js';

// Run by `npm run docs`: prints what web/ui/api-types.ts is.
process.stdout.write(renderTypes(describeRoutes(API_ROUTES, '/'), API_ROUTES));
