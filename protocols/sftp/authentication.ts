import type { AuthContext, AuthenticationType, KeyboardAuthContext, PublicKeyAuthContext } from 'ssh2';
import {
  type Credential,
  HubError,
  type Logger,
  type LoginService,
  type NextProof,
  ProofRequired,
  type Session,
  toHubError,
} from '#core/api.js';
import type { UserCertificates } from './certificates.js';
import { offeredKey } from './offered-keys.js';

/** What the client is told to try, always the same, whoever it claims to be. */
const METHODS: AuthenticationType[] = ['publickey', 'password', 'keyboard-interactive'];
/** How each further proof can be given. */
const METHODS_OF: Readonly<Record<NextProof, readonly AuthenticationType[]>> = {
  publickey: ['publickey'],
  password: ['password', 'keyboard-interactive'],
  'one-time-code': ['keyboard-interactive'],
};
/** Requests for authentication of one connection, questions about keys and 'none' included. */
const MAX_REQUESTS = 40;
/** Keys that are nobody's of one connection, as far as they are recorded. */
const MAX_RECORDED_KEYS = 3;
/** Proofs of one login: those of the longest method, and a one-time code. */
const MAX_PROOFS = 3;

/** What came of one request: nobody's yet, a session, or the end of the connection. */
export interface AuthenticationObserver {
  /** The client is logged in; true when it is still there. The session belongs to the observer. */
  loggedIn(session: Session): boolean;
  drop(reason: string): void;
}

/** What a login needs from its server. */
export interface AuthenticationContext {
  readonly login: LoginService;
  readonly log: Logger;
  readonly certificates: UserCertificates;
  readonly maxTries: number;
}

/**
 * The login of one connection: public keys, passwords, and questions. Who the client is follows from the credentials that were
 * verified for the name it gave at first, and from nothing that it only said.
 */
export class Authentication {
  /** The credentials that LoginService found right, and wants one of `#next` beside. */
  #proven: readonly Credential[] = [];
  #next: readonly NextProof[] = [];
  #failures = 0;
  #requests = 0;
  #username: string | undefined;
  /** Lines of an authorized_keys file. */
  readonly #unknownKeys: string[] = [];
  /** Whether LoginService has decided about this connection, and recorded what. */
  #isRecorded = false;
  #deciding = false;

  constructor(
    private readonly context: AuthenticationContext,
    private readonly remoteAddress: string,
    private readonly observer: AuthenticationObserver,
  ) {}

  /** Handles one request; ssh2 keeps the next one back until this one is answered. Never rejects. */
  async handle(request: AuthContext): Promise<void> {
    // A client that was asked a question may change its mind, and not while its answer is looked at.
    if (this.#deciding) return this.observer.drop('a request came before the answer to the last one');
    this.#username ??= request.username;
    if (this.#username !== request.username) return this.observer.drop('the user name changed between two tries');
    if (++this.#requests > MAX_REQUESTS) return this.observer.drop('too many tries to log in');
    // 'none' asks which methods there are.
    if (request.method === 'none') return request.reject(METHODS);
    try {
      if (request.username === '') throw new HubError('authentication-failed', 'The user name is empty');
      if (request.method === 'keyboard-interactive') await this.#question(request);
      else if (request.method === 'publickey') await this.#key(request);
      else await this.#decide(request, passwordOf(request));
    } catch (error) {
      this.#refuse(request, toHubError(error));
    }
  }

  /** Without a signature it is only a question, whether one is worth making, and logs nobody in. */
  async #key(request: PublicKeyAuthContext): Promise<void> {
    const { context, remoteAddress } = this;
    const credential = await this.#alone(() => offeredKey(request, context.certificates, remoteAddress)).catch(error =>
      this.#unusable(error),
    );
    if (request.signature) return this.#decide(request, credential);
    if (!(await this.#alone(() => context.login.acceptsKey(request.username, credential)))) {
      const { algo, data } = request.key;
      if (credential.kind === 'public-key' && this.#unknownKeys.length < MAX_RECORDED_KEYS)
        this.#unknownKeys.push(`${algo} ${data.toString('base64')}`);
      this.#unusable(new HubError('authentication-failed', 'The key is not known'));
    }
    request.accept();
  }

  /** The connection is over. Whoever only offered keys that are nobody's wanted in all the same: the operator reads which keys. Never rejects. */
  async ended(): Promise<void> {
    const { context, remoteAddress } = this;
    if (this.#isRecorded || this.#unknownKeys.length === 0) return;
    await context.login
      .keysRefused({ username: this.#username ?? '', protocol: 'sftp', remoteAddress, tls: true }, this.#unknownKeys)
      .catch((error: unknown) => context.log.warn({ err: error }, 'a refused login could not be recorded'));
  }

  /** A key that is refused before LoginService is asked is no guess; the operator reads why. */
  #unusable(error: unknown): never {
    const { message: reason, code } = toHubError(error);
    const { remoteAddress } = this;
    this.context.log.info({ user: this.#username, remoteAddress, reason, ...(code === 'internal' && { err: error }) }, 'key refused');
    throw error;
  }

  /** Asks for the password unless that is proven, then for whatever else LoginService wants that can be typed. */
  async #question(request: KeyboardAuthContext): Promise<void> {
    let wanted = typed(this.#next.length > 0 ? this.#next : ['password']);
    while (wanted) {
      const answer = await ask(request, wanted);
      if (answer === undefined) return;
      if (answer === '') throw new HubError('authentication-failed', 'The answer is empty');
      const credential: Credential =
        wanted === 'password' ? { kind: 'password', password: answer } : { kind: 'one-time-code', code: answer };
      const next = await this.#advance(request, credential);
      if (!next) return;
      wanted = typed(next);
    }
    request.reject(methodsFor(this.#next), true);
  }

  async #decide(request: AuthContext, credential: Credential): Promise<void> {
    const next = await this.#advance(request, credential);
    if (next) request.reject(methodsFor(next), true);
  }

  /** Logs in with this credential beside those before it; gives what is still wanted, or undefined when the login is decided. */
  async #advance(request: AuthContext, credential: Credential): Promise<readonly NextProof[] | undefined> {
    const credentials = [...this.#proven, credential];
    this.#isRecorded = true;
    try {
      const session = await this.#alone(() =>
        this.context.login.login({
          username: request.username,
          credentials,
          protocol: 'sftp',
          remoteAddress: this.remoteAddress,
          tls: true,
        }),
      );
      if (this.observer.loggedIn(session)) request.accept();
      return undefined;
    } catch (error) {
      if (!(error instanceof ProofRequired) || credentials.length >= MAX_PROOFS) throw error;
      this.#proven = credentials;
      this.#next = error.next;
      return error.next;
    }
  }

  async #alone<T>(decide: () => Promise<T>): Promise<T> {
    this.#deciding = true;
    try {
      return await decide();
    } finally {
      this.#deciding = false;
    }
  }

  #refuse(request: AuthContext, error: HubError): void {
    if (error.code === 'rate-limited' || error.code === 'too-many-sessions') {
      this.observer.drop(error.message);
      return;
    }
    if (++this.#failures >= this.context.maxTries) {
      this.observer.drop('too many tries to log in');
      return;
    }
    request.reject(this.#proven.length > 0 ? methodsFor(this.#next) : METHODS);
  }
}

/** Which of the proofs can be typed as the answer to a question. */
function typed(proofs: readonly NextProof[]): 'password' | 'one-time-code' | undefined {
  return proofs.find(proof => proof !== 'publickey');
}

function methodsFor(proofs: readonly NextProof[]): AuthenticationType[] {
  return [...new Set(proofs.flatMap(proof => METHODS_OF[proof]))];
}

/** Asks one question (RFC 4256); undefined when the client asks for something else instead of answering it. */
function ask(request: KeyboardAuthContext, wanted: 'password' | 'one-time-code'): Promise<string | undefined> {
  const prompt = wanted === 'password' ? 'Password: ' : 'One-time code: ';
  return new Promise(resolve => {
    // ssh2 hands over an Error when the question is given up, and an answer that it could not read as undefined.
    request.prompt([{ prompt, echo: false }], (answers: unknown) => {
      if (answers instanceof Error) resolve(undefined);
      else resolve(Array.isArray(answers) && answers.length === 1 ? String(answers[0]) : '');
    });
  });
}

/** The password in a request. Throws 'authentication-failed' when there is none. */
function passwordOf(request: AuthContext): Credential {
  // A request to change the password carries an object here.
  if (request.method === 'password' && typeof request.password === 'string' && request.password !== '') {
    return { kind: 'password', password: request.password };
  }
  throw new HubError('authentication-failed', 'No usable credential');
}
