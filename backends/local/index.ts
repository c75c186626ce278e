import { isAbsolute } from 'node:path';
import { defineExtension, z } from '#core/api.js';
import { openLocalStorage } from './local.js';

/** The options of a storage of kind 'local'. */
export const localOptions = z.strictObject({
  root: z
    .string()
    .refine(path => isAbsolute(path) && !path.includes('\0'), 'expected the absolute path of a folder on this machine')
    .describe('The folder that holds the files, as an absolute path; nothing outside it is ever reached'),
  links: z
    .enum(['never', 'inside'])
    .default('never')
    .describe("Symbolic links: 'never' follows none, 'inside' follows those that stay in the folder"),
  create: z.boolean().default(true).describe('Whether the folder is made when it is missing'),
});

export default defineExtension({
  name: 'local',
  api: '^1.0.0',
  register(hub) {
    hub.backend({
      name: 'local',
      options: localOptions,
      folders: ({ root }) => [root],
      open: (options, { log }) => openLocalStorage(options, log),
    });
  },
});
