import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { atExit, start, until } from './children.js';
import { hubEnvironment, readRunFile } from './hub-process.js';

/** A hub that a shell command starts, as it stands in the README: several processes, of which run.json names the hub. */
export class ShellHub {
  private constructor(
    private readonly shell: ChildProcess,
    private readonly pid: number,
    /** Where SFTP listens. */
    readonly port: number,
    readonly startedInMs: number,
    private readonly output: Buffer[],
  ) {}

  /** Runs `command` in `folder` and waits until the hub of `dataDirectory` listens; installing packages may take minutes. */
  static async start(
    command: string,
    folder: string,
    dataDirectory: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<ShellHub> {
    const began = performance.now();
    const shell = start('bash', ['-c', command], { cwd: folder, env: hubEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] });
    const output: Buffer[] = [];
    for (const stream of [shell.stdout, shell.stderr]) stream?.on('data', chunk => output.push(chunk));
    const running = await until(
      `'${command}' listens`,
      async () => {
        if (shell.exitCode !== null) throw new Error(`'${command}' ended: ${Buffer.concat(output).toString().slice(-2_000)}`);
        return readRunFile(dataDirectory);
      },
      600_000,
    );
    const hub = new ShellHub(shell, running.pid, running.listeners[0]?.port ?? 0, performance.now() - began, output);
    atExit(() => {
      if (shell.exitCode === null) process.kill(running.pid, 'SIGKILL');
    });
    return hub;
  }

  /** What it and the programs around it printed. */
  get printed(): string {
    return Buffer.concat(this.output).toString();
  }

  /** Asks the hub to stop, and waits for the command to end. */
  async stop(): Promise<void> {
    process.kill(this.pid, 'SIGTERM');
    if (this.shell.exitCode === null) await once(this.shell, 'exit');
  }
}
