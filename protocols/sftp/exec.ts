import type { Socket } from 'node:net';
import type { ServerChannel } from 'ssh2';
import { HubError, printable, toHubError } from '#core/api.js';
import { splitCommand } from './command-line.js';
import { COMMANDS } from './commands.js';
import { ExecStream } from './exec-stream.js';
import type { SubsystemContext } from './subsystem.js';

/** A command that a client runs on one channel: one of the few of `commands.ts`, in this process and through its session's files. */
export class ExecChannel {
  readonly #stream: ExecStream;
  readonly #closing = new AbortController();
  #closed = false;

  constructor(
    private readonly context: SubsystemContext,
    channel: ServerChannel,
    socket: Socket,
    private readonly allowed: ReadonlySet<string>,
  ) {
    this.#stream = new ExecStream(channel, socket, {
      stalled: () => context.stalled(),
      violated: reason => context.drop(`Protocol error: ${reason}`),
    });
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Whether something runs that a stopping server should wait for. */
  get isBusy(): boolean {
    return !this.#closed;
  }

  relieved(): void {
    this.#stream.wake();
  }

  rekeyed(): void {
    this.#stream.rekeyed();
  }

  clientClosed(): void {
    this.close('the client closed the channel');
  }

  /** Lets the command fail at its next read or write, which gives up what it has open. Safe to call twice. */
  close(_reason: string): void {
    this.#closing.abort();
    this.#stream.close();
  }

  /** Runs `line` and ends the channel with its exit status; with one line and status 1 for what is no command here. Never throws. */
  async run(line: string): Promise<void> {
    let status = 1;
    try {
      status = await this.#run(splitCommand(line));
    } catch (error) {
      const failure = toHubError(error);
      this.#log(failure);
      this.#stream.complain(printable(failure.message));
    }
    this.#stream.end(status);
    this.#closed = true;
    this.context.released();
  }

  async #run([name = '', ...args]: readonly string[]): Promise<number> {
    const command = this.allowed.has(name) ? COMMANDS.get(name) : undefined;
    if (!command) throw new HubError('unsupported', 'This server offers SFTP only, and does not run this command');
    const { files, info } = this.context.session;
    const isStopping = () => this.context.stopping;
    return command(
      {
        files,
        user: info.user,
        stream: this.#stream,
        signal: this.#closing.signal,
        requireOpenable: () => {
          if (isStopping()) throw new HubError('unavailable', 'The server is shutting down');
        },
        complain: (about, error) => {
          const failure = toHubError(error);
          this.#log(failure);
          return `${name}: ${printable(about)}: ${printable(failure.message)}`;
        },
      },
      args,
    );
  }

  #log(failure: HubError): void {
    const fields = { request: 'exec', failure: failure.code, reason: printable(failure.message) };
    if (failure.code === 'internal') this.context.log.error({ ...fields, err: failure.cause ?? failure }, 'A command failed');
    else this.context.log.debug(fields, 'A command was refused');
  }
}
