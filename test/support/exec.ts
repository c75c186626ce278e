import { once } from 'node:events';
import type { ClientChannel } from 'ssh2';
import { connectSsh, type Login } from './raw-sftp.js';

/** How a command on the server ended; `stdout` has a character a byte. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command on the server over a connection of its own, with `input` and then its end. */
export async function runCommand(login: Login, command: string, input: string | Buffer = ''): Promise<Ended> {
  const ssh = await connectSsh(login);
  try {
    const channel = await new Promise<ClientChannel>((resolve, reject) =>
      ssh.exec(command, (error, opened) => (error ? reject(error) : resolve(opened))),
    );
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    channel.on('data', (chunk: Buffer) => stdout.push(chunk));
    channel.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    channel.end(input);
    const [code] = await once(channel, 'close');
    return { code, stdout: Buffer.concat(stdout).toString('latin1'), stderr: Buffer.concat(stderr).toString() };
  } finally {
    ssh.destroy();
  }
}
