import { HubError } from '#core/api.js';
import { type CommandContext, homePath } from './command.js';
import { ScpConversation } from './scp-conversation.js';
import { ScpSink } from './scp-sink.js';
import { ScpSource } from './scp-source.js';

/**
 * The far end of scp's old protocol: `-t` takes files to a path, `-f` gives those at some paths. Names that lead elsewhere are
 * refused, records have an end, and all goes through the session's files. Resolves to 1 when anything failed.
 */
export async function scp(context: CommandContext, args: readonly string[]): Promise<number> {
  const { letters, paths } = parse(args);
  const options = { recursive: letters.has('r'), preserve: letters.has('p'), directory: letters.has('d') };
  const conversation = new ScpConversation(context);
  if (letters.has('t') === letters.has('f') || paths.length === 0 || (letters.has('t') && paths.length > 1))
    throw new HubError('invalid-request', 'This server has the far end of scp only: -t PATH or -f PATH…');
  await conversation.hold(async () => {
    if (letters.has('t')) await new ScpSink(context, conversation, options).receive(paths[0]!);
    else await new ScpSource(context, conversation, options).send(paths);
  });
  return conversation.failures > 0 ? 1 : 0;
}

function parse(args: readonly string[]): { readonly letters: ReadonlySet<string>; readonly paths: readonly string[] } {
  const letters = new Set<string>();
  let at = 0;
  for (; at < args.length && /^-./.test(args[at]!); at++) {
    if (args[at] === '--') {
      at++;
      break;
    }
    for (const letter of args[at]!.slice(1)) letters.add(letter);
  }
  for (const letter of letters) if (!'tfrpdvq'.includes(letter)) throw new HubError('unsupported', 'scp has no such option here');
  return { letters, paths: args.slice(at).map(homePath) };
}
