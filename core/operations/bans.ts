import { z } from 'zod';
import { operation } from './operation.js';

/** What administrators do with those who are turned away because logins failed. */
export const banOperations = {
  'bans.list': operation(z.strictObject({}), async ({ bans }) => bans.list()),

  /** Lets an address, or a user, try again. */
  'bans.lift': operation(z.strictObject({ subject: z.string().min(1).max(256) }), async ({ bans }, { subject }) => bans.lift(subject)),
};
