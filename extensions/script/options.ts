import { duration, z } from '#core/api.js';

/** What `extensions.script` in the configuration says. */
export const scriptConfig = z.strictObject({
  enabled: z.boolean().default(true).describe('Whether hooks run at all'),
  directory: z.string().min(1).default('hooks').describe('The hooks folder, relative to the data directory'),
  concurrency: z.int().min(1).max(256).default(8).describe('Hooks for events that run at the same time, and as many checks beside them'),
  timeout: duration('30s').describe('How long a hook may take after an event, unless its header says another time'),
  guardTimeout: duration('5s').describe(
    'How long a before.* hook may take, unless its header says another time; after it the action is refused',
  ),
  environment: z
    .array(z.string().regex(/^(?!ENTREPOT_)[A-Za-z_]\w*$/, 'expected the name of a variable that does not start with ENTREPOT_'))
    .default([])
    .describe("Names of the hub's own environment variables that hooks get as well, beside PATH, HOME, LANG and TZ"),
});

/** `scriptConfig` as parsed; times are in ms. */
export type ScriptConfig = z.output<typeof scriptConfig>;
