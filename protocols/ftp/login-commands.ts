import { type Credential, HubError, ProofRequired, toHubError } from '#core/api.js';
import type { Client } from './client.js';
import type { Command } from './command.js';
import { failureReply, Refusal, type Reply } from './replies.js';

/** Commands of the login and of TLS (RFC 959, 2228, 4217, 7151). */
export const LOGIN_COMMANDS: readonly Command[] = [
  { name: 'USER', open: true, syntax: '<name>', description: 'Begin to log in', run: user },
  { name: 'PASS', open: true, syntax: '<password>', description: 'Log in', run: (client, argument) => pass(client, argument) },
  { name: 'ACCT', open: true, syntax: '<code>', description: 'Give the one-time code that a login was asked for', run: account },
  { name: 'REIN', open: true, syntax: '', description: 'Log out, and begin again', run: reinitialise },
  { name: 'QUIT', open: true, syntax: '', description: 'End the connection', run: quit },
  {
    name: 'AUTH',
    open: true,
    syntax: 'TLS',
    description: 'Speak TLS from here on',
    features: ({ context }) => (context.certificates ? ['AUTH TLS'] : []),
    run: auth,
  },
  {
    name: 'PBSZ',
    open: true,
    syntax: '0',
    description: 'Must come before PROT',
    features: ({ context }) => (context.certificates ? ['PBSZ'] : []),
    run: protectionBuffer,
  },
  {
    name: 'PROT',
    open: true,
    syntax: 'C|P',
    description: 'Send data in clear or protected by TLS',
    features: ({ context }) => (context.certificates ? ['PROT'] : []),
    run: protect,
  },
  { name: 'CCC', open: true, syntax: '', description: 'Not allowed here', run: () => [534, 'Commands stay protected'] },
  { name: 'HOST', open: true, syntax: '<name>', description: 'Name the host that is meant', features: () => ['HOST'], run: host },
];

/** Proofs of one login: those of the longest method, and a one-time code. */
const MAX_PROOFS = 3;
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/;

function user(client: Client, name: string): Reply | Promise<Reply> {
  requireProtection(client);
  const { certificate } = client;
  if (client.session) return [530, 'Already logged in; REIN logs out'];
  if (name === '') return [501, 'A name is missing'];
  if (certificate && certificate.commonName !== name) return [530, 'Your certificate is for another user'];
  client.username = name;
  client.proven = [];
  client.wanted = 'password';
  return certificate ? logIn(client, { kind: 'certificate', ...certificate }) : [331, 'Password required'];
}

function pass(client: Client, password: string): Reply | Promise<Reply> {
  requireProtection(client);
  if (client.session) return [503, 'Already logged in'];
  return client.wanted === 'password' ? logIn(client, { kind: 'password', password }) : [503, 'USER first'];
}

function account(client: Client, code: string): Reply | Promise<Reply> {
  if (client.session) return [202];
  return client.wanted === 'one-time-code' ? logIn(client, { kind: 'one-time-code', code }) : [503, 'USER and PASS first'];
}

async function logIn(client: Client, credential: Credential): Promise<Reply> {
  const credentials = [...client.proven, credential];
  const { line, context } = client;
  client.wanted = undefined;
  try {
    const session = await context.login.login({
      username: client.username!,
      credentials,
      protocol: 'ftp',
      remoteAddress: line.remoteAddress,
      tls: line.isSecure,
    });
    if (!line.loggedIn(session)) throw new HubError('aborted', 'The client left');
    client.session = session;
    return [credential.kind === 'certificate' ? 232 : 230, 'Logged in'];
  } catch (error) {
    const next =
      error instanceof ProofRequired && credentials.length < MAX_PROOFS ? error.next.find(proof => proof !== 'publickey') : undefined;
    if (!next) return refuse(client, toHubError(error));
    client.proven = credentials;
    client.wanted = next;
    return next === 'password' ? [331, 'Password required, too'] : [332, 'One-time code required: send it by ACCT'];
  }
}

/** The client learns nothing but that it may not come in; after too many tries it has to connect anew. */
function refuse(client: Client, error: HubError): Reply {
  client.proven = [];
  client.username = undefined;
  const [code] = failureReply(error);
  if (code === 421 || ++client.failures >= client.context.options.maxTries) {
    client.line.close([421, code === 421 ? error.message : 'Too many tries to log in']);
    throw new HubError('aborted', 'The connection is closed');
  }
  return [530, error.code === 'internal' || error.code === 'unavailable' ? error.message : 'Login failed'];
}

function reinitialise(client: Client): Promise<Reply> {
  const { session } = client;
  client.reset();
  return (session?.end('The client logged out') ?? Promise.resolve()).then(() => [220, 'Ready for a new user']);
}

function quit(client: Client): undefined {
  client.line.close([221, 'Goodbye']);
}

function auth(client: Client, mechanism: string): Reply | undefined {
  const { certificates } = client.context;
  const wanted = mechanism.toUpperCase();
  if (!certificates) return [502, 'TLS is off on this server'];
  if (client.line.isSecure) return [503, 'TLS is on already'];
  if (client.session) return [503, 'TLS comes before the login'];
  if (!['TLS', 'TLS-C', 'SSL', 'TLS-P'].includes(wanted)) return [504, 'Only TLS is known'];
  client.reset();
  client.isProtected = wanted === 'SSL' || wanted === 'TLS-P';
  client.line.secure([234, 'Begin TLS'], certificates);
  return undefined;
}

function protectionBuffer(client: Client, size: string): Reply {
  if (!client.line.isSecure) return [503, 'AUTH TLS first'];
  if (!/^\d{1,10}$/.test(size)) return [501, 'A number is wanted'];
  client.isSized = true;
  return [200, 'PBSZ=0'];
}

function protect(client: Client, level: string): Reply {
  if (!client.line.isSecure) return [503, 'AUTH TLS first'];
  if (!client.isSized) return [503, 'PBSZ 0 first'];
  const wanted = level.toUpperCase();
  if (wanted === 'S' || wanted === 'E') return [536, 'TLS knows C and P only'];
  if (wanted !== 'C' && wanted !== 'P') return [504, 'Use C or P'];
  if (wanted === 'C' && client.context.options.tls === 'required') return [534, 'Data stays protected here'];
  client.isProtected = wanted === 'P';
  return [200, wanted === 'P' ? 'Data is protected' : 'Data goes in clear'];
}

function host(client: Client, name: string): Reply {
  if (client.session || client.username !== undefined) return [503, 'HOST comes before USER'];
  const bare = name.replace(/^\[(.*)\]$/, '$1');
  if (!HOST_NAME.test(bare) && !/^[0-9a-fA-F:.]+$/.test(bare)) return [501, 'Not the name of a host'];
  client.named = bare.toLowerCase();
  return [220, 'Host accepted'];
}

/** Names and passwords are not taken in plain text: not even to say that they are wrong. */
function requireProtection(client: Client): void {
  if (client.context.options.tls === 'required' && !client.line.isSecure)
    throw new Refusal(530, 'TLS is required here: AUTH TLS comes before USER (set your client to explicit FTP over TLS)');
}
