import { mkdtemp, rm, rmdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { HubError } from '../errors.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import { readKeys, readPassword, repeated, wholeNumber } from './values.js';

const PORT_VARIABLE = /^ENTREPOT_PROTOCOLS__SFTP__PORT(_FILE)?$/i;

interface PortableOptions {
  readonly readOnly?: boolean;
  readonly key?: readonly string[];
  readonly port?: number;
  readonly user: string;
  readonly passwordFile?: string;
}

/** Adds `entrepot portable DIR`. */
export function addPortableCommand(program: Command, context: CliContext): void {
  withExamples(program.command('portable <dir>').description('Serve one folder now, for one user, and forget everything at the end'), [
    ['With a random password, which is printed', 'portable ./pictures --read-only'],
    ['For the holder of a key', 'portable . --key ~/.ssh/id_ed25519.pub --port 2222'],
  ])
    .option('--read-only', 'the folder can be looked at and fetched from, and not changed')
    .option('--key <file>', 'public keys that may log in; no password then unless one is given; repeats', repeated)
    .option('--port <number>', 'port to listen on; 0 is any that is free (default 2022)', wholeNumber(0, 65_535))
    .option('--user <name>', 'name to log in with', 'portable')
    .option('--password-file <file>', "file with the password, '-' for standard input")
    .action(async (directory: string, options: PortableOptions, self: Command) => {
      await servePortable(context, resolve(directory), options, surroundings(self, context).output.json);
    });
}

async function servePortable(context: CliContext, folder: string, options: PortableOptions, json: boolean): Promise<void> {
  const info = await stat(folder).catch(() => undefined);
  if (!info?.isDirectory()) throw new HubError('not-found', `${folder} is not a folder that can be served`);
  const password = options.passwordFile === undefined ? undefined : await readPassword(context, options.passwordFile);
  const keys = (await Promise.all((options.key ?? []).map(file => readKeys(context, file)))).flat();
  const dataDirectory = await mkdtemp(join(tmpdir(), 'entrepot-portable-'));
  try {
    await serve(context, { folder, dataDirectory, options, json, credentials: { ...(password !== undefined && { password }), keys } });
  } finally {
    await rm(dataDirectory, { recursive: true, force: true });
    // What staged uploads is left only when it is not empty.
    await rmdir(join(folder, '.entrepot')).catch(() => undefined);
  }
}

interface Portable {
  readonly folder: string;
  readonly dataDirectory: string;
  readonly options: PortableOptions;
  readonly json: boolean;
  readonly credentials: { readonly password?: string; readonly keys: readonly string[] };
}

async function serve(context: CliContext, { folder, dataDirectory, options, json, credentials }: Portable): Promise<void> {
  const [
    { Hub },
    { createLogger },
    { OPERATIONS },
    { servicesOf },
    { startHub, stopServing, stopSignal },
    { renderSummary, clientCommand },
    { HUB_VERSION },
    shipped,
  ] = await Promise.all([
    import('../hub.js'),
    import('../log.js'),
    import('../operations/index.js'),
    import('../operations/hub-services.js'),
    import('./serve.js'),
    import('./summary.js'),
    import('../version.js'),
    context.loadShipped(),
  ]);
  const env =
    options.port === undefined
      ? context.env
      : Object.fromEntries(Object.entries(context.env).filter(([name]) => !PORT_VARIABLE.test(name)));
  const values = {
    database: { url: 'sqlite::memory:' },
    protocols: { ftp: { enabled: false }, web: { enabled: false }, ...(options.port !== undefined && { sftp: { port: options.port } }) },
  };
  const hub = await Hub.open({ dataDirectory, env, values, ...shipped, log: createLogger('warn', 'auto') });
  try {
    const services = servicesOf(hub);
    await OPERATIONS['storages.add'].run(services, { name: 'folder', kind: 'local', options: { root: folder } });
    const added = await OPERATIONS['users.add'].run(services, {
      username: options.user,
      home: 'folder:/',
      keys: [...credentials.keys],
      ...(credentials.password !== undefined && { password: credentials.password }),
      permissions: { '/': options.readOnly ? ['list', 'download'] : ['*'] },
    });
    const told = stopSignal(context);
    await startHub(hub);
    const { username } = added.user;
    const sftp = hub.listeners.find(({ protocol }) => protocol === 'sftp');
    if (json) {
      const { listeners } = hub;
      context.output.write(
        `${JSON.stringify({ folder, username, ...(added.password !== undefined && { password: added.password }), listeners })}\n`,
      );
    } else {
      const facts = [
        ['Folder', `${folder}${options.readOnly ? ' (read-only)' : ''}`],
        ['User', username],
        ...(added.password === undefined ? [] : [['Password', added.password]]),
      ] as [string, string][];
      const next = sftp ? [clientCommand(sftp, username), 'Ctrl+C ends it.'] : ['Ctrl+C ends it.'];
      context.output.write(`${renderSummary({ version: HUB_VERSION, listeners: hub.listeners, facts, next })}\n`);
    }
    await stopServing(hub, await told);
  } finally {
    await hub.stop(AbortSignal.abort());
  }
}
