import local from '#backends/local/index.js';
import memory from '#backends/memory/index.js';
import sftpStorage from '#backends/sftp/index.js';
import type { Extension } from '#core/api.js';
import script from '#extensions/script/index.js';
import webhook from '#extensions/webhook/index.js';
import { migrations } from '#migrations/index.js';
import ftp from '#protocols/ftp/index.js';
import sftp from '#protocols/sftp/index.js';
import web from '#web/index.js';

/** Everything that is shipped, in the order in which it is registered. */
export const bundled: readonly Extension[] = [local, memory, sftpStorage, sftp, ftp, web, webhook, script].map(
  extension => extension as Extension,
);

/** The steps of the database, which the hub takes at its start. */
export { migrations };
