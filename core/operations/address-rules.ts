import { z } from 'zod';
import { about } from '../errors.js';
import { operation } from './operation.js';

/** What administrators do with rules for the addresses of clients. */
export const addressRuleOperations = {
  /** The newest first. */
  'address-rules.list': operation(z.strictObject({}), async ({ addressRules }) => addressRules.list()),

  /** 'deny' keeps clients out, 'allow' wins over it and over bans. Throws 'already-exists'. */
  'address-rules.add': operation(
    z.strictObject({ range: z.string().min(1).max(64), action: z.enum(['allow', 'deny']), comment: z.string().max(255).default('') }),
    async ({ addressRules }, input) => about('range', () => addressRules.create(input)),
  ),

  'address-rules.remove': operation(z.strictObject({ id: z.string() }), async ({ addressRules }, { id }) => addressRules.delete(id)),
};
