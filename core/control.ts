import { chmod, link, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { type ErrorCode, HubError, toHubError } from './errors.js';
import { randomToken } from './ids.js';

const SOCKET = 'control.sock';
const RUN_FILE = 'run.json';
/** The shortest limit of the systems that have unix sockets, less room for a temporary name. */
const MAX_SOCKET_PATH_BYTES = 85;
const MAX_REQUEST_BYTES = 1024 * 1024;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const ASK_LIMIT_MS = 2_000;
const CLAIM_TRIES = 5;

/** What `run.json` says of a hub whose listeners accept. */
export interface RunFile {
  readonly pid: number;
  readonly listeners: readonly { readonly protocol: string; readonly host: string; readonly port: number; readonly tls: boolean }[];
}

/** Does what a line on the socket asks for. */
export type ControlHandler = (operation: string, input: unknown) => Promise<unknown>;

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

/**
 * The socket `control.sock` (0600) in the data directory: one JSON request a line, one JSON answer a line. Whoever holds
 * it owns the data directory.
 */
export class ControlServer {
  readonly #connections = new Set<Socket>();
  readonly #server: Server;
  #inode: bigint | undefined;

  private constructor(
    private readonly dataDirectory: string,
    private readonly handle: ControlHandler,
  ) {
    this.#server = createServer(socket => this.#serve(socket));
  }

  /**
   * Makes this process the one that serves the data directory. Throws 'conflict' with the pid of the hub that does so
   * already. What a killed hub left, a socket on which nobody answers and `run.json`, is removed.
   */
  static async claim(dataDirectory: string, handle: ControlHandler): Promise<ControlServer> {
    const directory = resolve(dataDirectory);
    const control = new ControlServer(directory, handle);
    const temporary = `${randomToken(6)}.sock`;
    await atSocket(directory, temporary, path => listen(control.#server, path));
    try {
      await chmod(join(directory, temporary), 0o600);
      await takeName(directory, temporary);
      control.#inode = (await stat(join(directory, SOCKET), { bigint: true })).ino;
      await control.retract();
      return control;
    } catch (error) {
      await control.#end();
      throw error;
    } finally {
      await rm(join(directory, temporary), { force: true });
    }
  }

  /** Tells by `run.json` that the listeners accept. */
  async announce(listeners: RunFile['listeners']): Promise<void> {
    const file: RunFile = {
      pid: process.pid,
      listeners: listeners.map(({ protocol, host, port, tls }) => ({ protocol, host, port, tls })),
    };
    const temporary = join(this.dataDirectory, `${RUN_FILE}.${randomToken(6)}`);
    await writeFile(temporary, `${JSON.stringify(file)}\n`, { mode: 0o600 });
    await rename(temporary, join(this.dataDirectory, RUN_FILE));
  }

  /** Takes back what announce() told. */
  async retract(): Promise<void> {
    await rm(join(this.dataDirectory, RUN_FILE), { force: true });
  }

  /** Ends all connections and gives the data directory free. */
  async close(): Promise<void> {
    await this.retract();
    const held = await stat(join(this.dataDirectory, SOCKET), { bigint: true }).catch(() => undefined);
    if (held?.ino === this.#inode) await rm(join(this.dataDirectory, SOCKET), { force: true });
    await this.#end();
  }

  async #end(): Promise<void> {
    const closed = new Promise<void>(done => this.#server.close(() => done()));
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => socket.destroy());
    const send = (answer: Answer) => socket.writable && socket.write(`${JSON.stringify(answer)}\n`);
    readLines(socket, MAX_REQUEST_BYTES, {
      line: line => void answerTo(line, this.handle).then(send),
      tooLong: () => {
        send({ error: { code: 'too-large', message: `A request may have ${MAX_REQUEST_BYTES} bytes` } });
        socket.destroySoon();
      },
    });
  }
}

/** A connection to the hub that serves a data directory. */
export class ControlClient {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #last = 0;
  #lost: HubError | undefined;

  private constructor(private readonly socket: Socket) {
    const lose = (message: string) => this.#lose(new HubError('unavailable', message));
    socket.on('error', () => lose('The connection to the hub was lost'));
    socket.on('close', () => lose('The hub ended the connection'));
    readLines(socket, MAX_ANSWER_BYTES, { line: line => this.#receive(line), tooLong: () => socket.destroy() });
  }

  /** Undefined when no hub runs on the data directory. Throws 'permission-denied' when one does that this user may not control. */
  static async connect(dataDirectory: string): Promise<ControlClient | undefined> {
    try {
      return new ControlClient(await atSocket(resolve(dataDirectory), SOCKET, connect));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') return undefined;
      if (code !== 'EACCES' && code !== 'EPERM') throw error;
      throw new HubError('permission-denied', `The hub on ${dataDirectory} runs as another user, who alone may control it`, {
        cause: error,
      });
    }
  }

  /** The result of an operation. Throws what the operation throws there, or 'unavailable' when the connection is lost or `limitMs` is over. */
  async call(operation: string, input: unknown, limitMs?: number): Promise<unknown> {
    const id = ++this.#last;
    const answer = await new Promise<Answer>((done, fail) => {
      if (this.#lost) return fail(this.#lost);
      const timer =
        limitMs === undefined ? undefined : setTimeout(() => fail(new HubError('unavailable', 'The hub does not answer')), limitMs);
      this.#waiting.set(id, received => {
        clearTimeout(timer);
        done(received);
      });
      this.socket.write(`${JSON.stringify({ id, operation, input })}\n`);
    });
    this.#waiting.delete(id);
    if (answer.error) throw new HubError(answer.error.code, answer.error.message);
    return answer.result;
  }

  close(): void {
    this.socket.destroy();
  }

  #receive(line: string): void {
    const answer = JSON.parse(line) as Answer;
    if (answer.id === undefined) for (const done of this.#waiting.values()) done(answer);
    else this.#waiting.get(answer.id)?.(answer);
  }

  #lose(error: HubError): void {
    this.#lost ??= error;
    for (const done of this.#waiting.values()) done({ error: { code: this.#lost.code, message: this.#lost.message } });
  }
}

/** What `run.json` of a data directory says; undefined when there is none. A killed hub leaves it behind. */
export async function readRunFile(dataDirectory: string): Promise<RunFile | undefined> {
  try {
    return JSON.parse(await readFile(join(dataDirectory, RUN_FILE), 'utf8')) as RunFile;
  } catch {
    return undefined;
  }
}

/** Throws 'conflict' with the pid when a hub already serves the data directory. */
export async function refuseSecondHub(dataDirectory: string): Promise<void> {
  const client = await ControlClient.connect(dataDirectory);
  if (!client) return;
  const status = await client.call('hub.status', {}, ASK_LIMIT_MS).catch(() => undefined);
  client.close();
  const pid = (status as { pid?: number } | undefined)?.pid ?? (await readRunFile(dataDirectory))?.pid ?? 'unknown';
  throw new HubError('conflict', `Another hub (pid ${pid}) already runs on ${resolve(dataDirectory)}`);
}

/** Gives the socket its name, which only one process can hold. */
async function takeName(directory: string, temporary: string): Promise<void> {
  for (let tries = 0; tries < CLAIM_TRIES; tries++) {
    await refuseSecondHub(directory);
    await removeStale(directory);
    try {
      await link(join(directory, temporary), join(directory, SOCKET));
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  throw new HubError('conflict', `Another hub starts on ${directory} at the same time`);
}

/** Takes a dead socket away under another name first: if a hub that started in between answers there, its name is given back. */
async function removeStale(directory: string): Promise<void> {
  const aside = `${randomToken(6)}.sock`;
  try {
    await rename(join(directory, SOCKET), join(directory, aside));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const alive = await atSocket(directory, aside, connect).catch(() => undefined);
  alive?.destroy();
  if (alive) await link(join(directory, aside), join(directory, SOCKET)).catch(() => undefined);
  await rm(join(directory, aside), { force: true });
}

/** Calls `use` with a path that is short enough for a unix socket (108 bytes on Linux), by way of an open directory where the real one is not. */
async function atSocket<T>(directory: string, name: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = join(directory, name);
  if (Buffer.byteLength(directory) <= MAX_SOCKET_PATH_BYTES) return use(path);
  if (process.platform !== 'linux')
    throw new HubError(
      'invalid-request',
      `The path of the data directory is too long for a unix socket: ${directory} has more than ${MAX_SOCKET_PATH_BYTES} bytes`,
    );
  const handle = await open(directory);
  try {
    return await use(`/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(path, () => {
      server.off('error', fail);
      done();
    });
  });
}

function connect(path: string): Promise<Socket> {
  return new Promise((done, fail) => {
    const socket = createConnection(path);
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.off('error', fail);
      done(socket);
    });
  });
}

async function answerTo(line: string, handle: ControlHandler): Promise<Answer> {
  let id: number | undefined;
  try {
    const request = parseRequest(line);
    id = request.id;
    const result = await handle(request.operation, request.input ?? {});
    return { id, result: result ?? null };
  } catch (error) {
    const { code, message } = toHubError(error);
    return { ...(id !== undefined && { id }), error: { code, message } };
  }
}

function parseRequest(line: string): { readonly id: number; readonly operation: string; readonly input?: unknown } {
  try {
    const request = JSON.parse(line) as { id: number; operation: string; input?: unknown };
    if (typeof request.id === 'number' && typeof request.operation === 'string') return request;
  } catch {
    // Told below, like a document of another form.
  }
  throw new HubError('invalid-request', 'Expected {"id":1,"operation":"users.list","input":{}} on one line');
}

function readLines(socket: Socket, limitBytes: number, on: { line(line: string): void; tooLong(): void }): void {
  let pieces: Buffer[] = [];
  let size = 0;
  socket.on('data', (chunk: Buffer) => {
    for (let rest = chunk; rest.length; ) {
      const end = rest.indexOf(0x0a);
      const piece = end < 0 ? rest : rest.subarray(0, end);
      size += piece.length;
      if (size > limitBytes) {
        socket.removeAllListeners('data');
        return on.tooLong();
      }
      pieces.push(piece);
      if (end < 0) return;
      const line = Buffer.concat(pieces).toString('utf8');
      pieces = [];
      size = 0;
      if (line.trim() !== '') on.line(line);
      rest = rest.subarray(end + 1);
    }
  });
}
