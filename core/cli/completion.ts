import type { Command } from 'commander';
import type { CliContext } from './context.js';
import { UsageError } from './context.js';
import { surroundings, withExamples } from './group.js';

/** What a shell offers after some words: commands and options, by the words before. */
type Offers = ReadonlyMap<string, readonly string[]>;

const SHELLS = { bash, zsh, fish } as const;

/** Adds `entrepot completion SHELL`. */
export function addCompletionCommand(program: Command, context: CliContext): void {
  withExamples(program.command('completion <shell>').description('Print what makes a shell complete commands: bash, zsh or fish'), [
    ['For bash, in this shell', 'completion bash > ~/.entrepot-completion && . ~/.entrepot-completion'],
    ['For fish, for good', 'completion fish > ~/.config/fish/completions/entrepot.fish'],
  ]).action((shell: string, _options, self: Command) => {
    if (!Object.hasOwn(SHELLS, shell)) throw new UsageError(`Expected bash, zsh or fish, got '${shell}'`);
    surroundings(self, context).output.write(SHELLS[shell as keyof typeof SHELLS](offersOf(program)));
  });
}

function offersOf(program: Command): Offers {
  const offers = new Map<string, readonly string[]>();
  const shared = optionsOf(program);
  const visit = (command: Command, words: readonly string[]) => {
    const visible = command.createHelp().visibleCommands(command);
    offers.set(words.join(' '), [...visible.map(child => child.name()), ...(command === program ? [] : optionsOf(command)), ...shared]);
    for (const child of visible) if (child.name() !== 'help') visit(child, [...words, child.name()]);
  };
  visit(program, []);
  return offers;
}

function optionsOf(command: Command): readonly string[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long }) => (long ? [long] : []));
}

/** A case for each command; words that are no commands, such as names, do not change which one it is. */
function cases(offers: Offers): string {
  return [...offers].map(([words, list]) => `    '${words}') offers='${list.join(' ')}' ;;`).join('\n');
}

function groups(offers: Offers): string {
  return [...offers.keys()]
    .filter(words => words !== '')
    .map(words => `'${words}'`)
    .join('|');
}

function bash(offers: Offers): string {
  return `# Completion of entrepot for bash.
_entrepot() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command='' word offers=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${command:+$command }$word" in
      ${groups(offers)}) command="\${command:+$command }$word" ;;
    esac
  done
  case "$command" in
${cases(offers)}
  esac
  COMPREPLY=($(compgen -W "$offers" -- "$current"))
  if [ \${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -F _entrepot entrepot`;
}

function zsh(offers: Offers): string {
  return `#compdef entrepot
# Completion of entrepot for zsh.
_entrepot() {
  local command='' word offers=''
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${command:+$command }$word" in
      ${groups(offers)}) command="\${command:+$command }$word" ;;
    esac
  done
  case "$command" in
${cases(offers)}
  esac
  compadd -- \${=offers}
  _files
}
compdef _entrepot entrepot`;
}

function fish(offers: Offers): string {
  const lines = [...offers].map(([words, list]) => {
    const condition = words === '' ? 'test -z (__entrepot_command)' : `test (__entrepot_command) = '${words}'`;
    return `complete -c entrepot -n "${condition}" -a '${list.join(' ')}'`;
  });
  return `# Completion of entrepot for fish.
function __entrepot_command
  set -l known ${[...offers.keys()]
    .filter(words => words !== '')
    .map(words => `'${words}'`)
    .join(' ')}
  set -l command ''
  for word in (commandline -opc)[2..-1]
    set -l longer (string trim "$command $word")
    contains -- "$longer" $known; and set command $longer
  end
  echo "$command"
end
${lines.join('\n')}`;
}
