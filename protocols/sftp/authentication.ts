import ssh2, { type AuthContext, type AuthenticationType, type PublicKeyAuthContext } from 'ssh2';
import { type Credential, HubError, type LoginService, type Session, toHubError } from '#core/api.js';

/** What the client is told to try, always the same, whoever it claims to be. */
const METHODS: AuthenticationType[] = ['publickey', 'password'];
/** Requests for authentication of one connection, questions about keys and 'none' included. */
const MAX_REQUESTS = 40;

/** What came of one request: nobody's yet, a session, or the end of the connection. */
export interface AuthenticationObserver {
  /** The client is logged in; true when it is still there. The session belongs to the observer. */
  loggedIn(session: Session): boolean;
  drop(reason: string): void;
}

/**
 * The login of one connection: passwords and public keys. Who the client is follows from the last credential that was
 * verified, and from nothing that it said before.
 */
export class Authentication {
  #failures = 0;
  #requests = 0;
  #username: string | undefined;

  constructor(
    private readonly login: LoginService,
    private readonly remoteAddress: string,
    private readonly maxTries: number,
    private readonly observer: AuthenticationObserver,
  ) {}

  /** Handles one request; ssh2 keeps the next one back until this one is answered. Never rejects. */
  async handle(request: AuthContext): Promise<void> {
    this.#username ??= request.username;
    if (this.#username !== request.username) return this.observer.drop('the user name changed between two tries');
    if (++this.#requests > MAX_REQUESTS) return this.observer.drop('too many tries to log in');
    // 'none' asks which methods there are.
    if (request.method === 'none') return request.reject(METHODS);
    try {
      await this.#decide(request);
    } catch (error) {
      this.#refuse(request, toHubError(error));
    }
  }

  async #decide(request: AuthContext): Promise<void> {
    if (request.username === '') throw new HubError('authentication-failed', 'The user name is empty');
    const credential = credentialOf(request);
    if (request.method === 'publickey' && credential.kind === 'public-key' && !request.signature) {
      if (!(await this.login.acceptsKey(request.username, credential))) throw new HubError('authentication-failed', 'Unknown key');
      return request.accept();
    }
    const session = await this.login.login({
      username: request.username,
      credentials: [credential],
      protocol: 'sftp',
      remoteAddress: this.remoteAddress,
      tls: true,
    });
    if (this.observer.loggedIn(session)) request.accept();
  }

  #refuse(request: AuthContext, error: HubError): void {
    if (error.code === 'rate-limited' || error.code === 'too-many-sessions') {
      this.observer.drop(error.message);
      return;
    }
    if (++this.#failures >= this.maxTries) {
      this.observer.drop('too many tries to log in');
      return;
    }
    request.reject(METHODS);
  }
}

/** The credential in a request; for a signed request, one whose signature is right. Throws 'authentication-failed'. */
function credentialOf(request: AuthContext): Credential {
  // A request to change the password carries an object here.
  if (request.method === 'password' && typeof request.password === 'string' && request.password !== '') {
    return { kind: 'password', password: request.password };
  }
  if (request.method === 'publickey') return keyOf(request);
  throw new HubError('authentication-failed', 'No usable credential');
}

function keyOf(request: PublicKeyAuthContext): Credential {
  const { algo, data } = request.key;
  const key = ssh2.utils.parseKey(data);
  // The algorithm that was named must be that of the key; an RSA signature without a hash name would be SHA-1.
  if (key instanceof Error || key.type !== algo || (algo === 'ssh-rsa' && !request.hashAlgo)) {
    throw new HubError('authentication-failed', 'Key not supported');
  }
  if (request.signature) {
    if (!request.blob || key.verify(request.blob, request.signature, request.hashAlgo) !== true) {
      throw new HubError('authentication-failed', 'The signature is wrong');
    }
  }
  return { kind: 'public-key', algorithm: algo, data };
}
