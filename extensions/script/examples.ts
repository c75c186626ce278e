import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const README = `# Hooks

A file in this folder runs when what its name says happens. No restart: it is picked up within two seconds.

    upload.completed.sh            runs after each upload
    upload.completed.d/10-scan.py  several for one event, each retried apart
    before.upload.mjs              is asked before an upload, and may refuse it
    _anything, .anything           is not looked at: rename to switch off or on

Executables need \`chmod +x\`; .js and .mjs files are run by Node. A file must belong to the user of the hub or to root,
and nobody else may be able to write it. \`entrepot hooks list\` shows what is active, and what is wrong with the rest.

A hook gets the event as one JSON document on standard input, and the variables ENTREPOT_EVENT_ID, ENTREPOT_EVENT_TYPE,
ENTREPOT_USER, ENTREPOT_PATH, ENTREPOT_LOCAL_PATH (files on this machine) and ENTREPOT_ATTEMPT. Quote them: "$ENTREPOT_PATH".

Exit 0 means done, 65 means that trying again cannot help, and anything else is tried again later. A before.* hook
allows with 0 and refuses with anything else; the first line that it prints is the reason that the client sees.

A comment in the first 20 lines narrows it:

    # @hook match=/in/**/*.csv users=alice,bob timeout=60s
    // @hook match=/in/** on-error=allow       (before.* only: allow when the check itself fails)
`;

const UPLOAD_SH = `#!/bin/sh
# An example. Rename it to upload.completed.sh to switch it on.
# @hook match=/** timeout=30s
set -eu
cat >/dev/null # the event as JSON; the variables are enough here
echo "$ENTREPOT_USER uploaded $ENTREPOT_PATH, try $ENTREPOT_ATTEMPT"
`;

const UPLOAD_MJS = `// An example. Rename it to upload.completed.mjs to switch it on.
export default async (event, { log, signal }) => {
  log.info('%s uploaded %s (%d bytes)', event.data.session.user, event.data.path, event.data.size);
};
`;

const BEFORE_UPLOAD_MJS = `// An example. Rename it to before.upload.mjs to switch it on.
export default event => {
  if (/\\.exe$/i.test(event.data.path)) return { deny: 'Programs are not accepted here' };
};
`;

const FILES: readonly (readonly [name: string, content: string, mode: number])[] = [
  ['README.md', README, 0o600],
  ['_upload.completed.sh', UPLOAD_SH, 0o700],
  ['_upload.completed.mjs', UPLOAD_MJS, 0o600],
  ['_before.upload.mjs', BEFORE_UPLOAD_MJS, 0o600],
];

/** Makes the hooks folder (0700) with a README and examples that are switched off. Leaves a folder that exists as it is. */
export async function makeHooksFolder(folder: string): Promise<void> {
  if (await stat(folder).catch(() => undefined)) return;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, content, mode] of FILES) await writeFile(join(folder, name), content, { flag: 'wx', mode });
}
