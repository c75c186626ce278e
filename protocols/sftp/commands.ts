import { createHash } from 'node:crypto';
import { type HashAlgorithm, HubError } from '#core/api.js';
import { type Command, type CommandContext, homePath } from './command.js';
import type { ExecStream } from './exec-stream.js';
import type { CommandName } from './options.js';
import { scp } from './scp.js';

const READ_BYTES = 256 * 1024;

/** Every command that a client may run, where the configuration allows it. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map<CommandName, Command>([
  ['scp', scp],
  ['md5sum', sum('md5')],
  ['sha1sum', sum('sha1')],
  ['sha256sum', sum('sha256')],
  ['sha384sum', sum('sha384')],
  ['sha512sum', sum('sha512')],
  ['cd', cd],
  ['pwd', pwd],
]);

/** Prints digests like those of coreutils: of each file, or of the input when none is named. */
function sum(algorithm: HashAlgorithm): Command {
  return async ({ files, stream, signal, complain }, args) => {
    const paths = args[0] === '--' ? args.slice(1) : args;
    if (args[0] !== '--' && paths.some(path => path.startsWith('-') && path !== '-')) throw new HubError('unsupported', 'No options here');
    let status = 0;
    for (const path of paths.length > 0 ? paths : ['-']) {
      try {
        const digest = path === '-' ? await inputDigest(stream, algorithm) : await files.checksum(homePath(path), algorithm, {}, signal);
        await stream.write(Buffer.from(sumLine(digest, path)));
      } catch (error) {
        if (signal.aborted) throw error;
        stream.complain(complain(path, error));
        status = 1;
      }
    }
    return status;
  };
}

async function inputDigest(stream: ExecStream, algorithm: HashAlgorithm): Promise<string> {
  const hash = createHash(algorithm);
  for (let bytes = await stream.read(READ_BYTES); bytes; bytes = await stream.read(READ_BYTES)) hash.update(bytes);
  return hash.digest('hex');
}

/** A name that would break the line is escaped, and the line then begins with a backslash. */
function sumLine(digest: string, path: string): string {
  const escaped = path.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
  return `${escaped === path ? '' : '\\'}${digest}  ${escaped}\n`;
}

/** Changes nothing, for each command starts at the root; fails where there is no such directory. */
async function cd({ files }: CommandContext, args: readonly string[]): Promise<number> {
  if (args.length > 1) throw new HubError('invalid-request', 'cd takes one directory');
  const { type } = await files.stat(homePath(args[0] ?? '/'));
  if (type !== 'directory') throw new HubError('not-a-directory', 'Not a directory');
  return 0;
}

async function pwd({ stream }: CommandContext): Promise<number> {
  await stream.write(Buffer.from('/\n'));
  return 0;
}
