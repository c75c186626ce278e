import type { IdentityRepository } from '../db/identities.js';
import type { User, UserRepository } from '../db/users.js';
import { HubError } from '../errors.js';
import type { Passwords } from './passwords.js';

/** Proof of identity. A protocol verifies possession (the SSH signature, the OIDC code exchange) before it offers one. */
export type Credential =
  | { readonly kind: 'password'; readonly password: string }
  | { readonly kind: 'public-key'; readonly algorithm: string; readonly data: Uint8Array }
  | {
      readonly kind: 'ssh-certificate';
      readonly keyId: string;
      readonly serial: string;
      /** Fingerprint of the authority's key. */
      readonly authority: string;
      /** Whom the authority vouches for; the protocol has checked everything else of it. */
      readonly principals: readonly string[];
    }
  | { readonly kind: 'certificate'; readonly commonName: string; readonly fingerprint: string }
  | { readonly kind: 'one-time-code'; readonly code: string }
  | { readonly kind: 'oidc'; readonly provider: string; readonly subject: string; readonly email?: string }
  | { readonly kind: 'token'; readonly token: string };

/** Someone who wants in. */
export interface LoginAttempt {
  /** Absent when the credential itself says who it is: a token, a certificate, OIDC. */
  readonly username?: string;
  readonly credentials: readonly Credential[];
  readonly protocol: string;
  readonly remoteAddress: string;
  /** Whether the connection is encrypted; true unless told. */
  readonly tls?: boolean;
}

/** Recognises users. Built in: password, public key; an extension adds LDAP and the like. */
export interface Authenticator {
  readonly name: string;
  /** The user, or undefined when the next authenticator should be asked. Throws HubError to end the attempt. */
  authenticate(attempt: LoginAttempt): Promise<User | undefined>;
}

/** Those who recognise users, in the order in which they are asked. */
export class Authenticators {
  readonly #list: Authenticator[];

  constructor(builtIn: readonly Authenticator[]) {
    this.#list = [...builtIn];
  }

  /** Throws 'already-exists' when the name is taken. */
  register(authenticator: Authenticator): void {
    if (this.#list.some(({ name }) => name === authenticator.name))
      throw new HubError('already-exists', `An authenticator named '${authenticator.name}' is already there`);
    this.#list.push(authenticator);
  }

  /** The first user that one of them recognises, and by which one. Throws what one throws to end the attempt. */
  async recognise(attempt: LoginAttempt): Promise<{ readonly user: User; readonly method: string } | undefined> {
    for (const authenticator of this.#list) {
      const user = await authenticator.authenticate(attempt);
      if (user) return { user, method: authenticator.name };
    }
    return undefined;
  }
}

/** The id of no user. */
const NOBODY = '';

/** Compares a password with the user's; an unknown user takes as long as a wrong password. */
export class PasswordAuthenticator implements Authenticator {
  readonly name = 'password';

  constructor(
    private readonly users: UserRepository,
    private readonly passwords: Passwords,
  ) {}

  async authenticate({ username, credentials }: LoginAttempt): Promise<User | undefined> {
    const offered = credentials.find(credential => credential.kind === 'password');
    if (!offered || !username) return undefined;
    const user = await this.users.findByUsername(username);
    const kept = await this.users.passwordHash(user?.id ?? NOBODY);
    return (await this.passwords.verify(kept, offered.password)) ? user : undefined;
  }
}

/** Looks a key up among the user's. The protocol has verified the signature. */
export class PublicKeyAuthenticator implements Authenticator {
  readonly name = 'public-key';

  constructor(private readonly users: UserRepository) {}

  async authenticate({ username, credentials }: LoginAttempt): Promise<User | undefined> {
    const offered = credentials.find(credential => credential.kind === 'public-key');
    if (!offered || !username) return undefined;
    const user = await this.users.findByUsername(username);
    return user && holdsKey(user, offered.data) ? user : undefined;
  }
}

/** Lets in whom a trusted authority named in an SSH certificate. The protocol has verified both signatures, time, address and revocation. */
export class SshCertificateAuthenticator implements Authenticator {
  readonly name = 'ssh-certificate';

  constructor(private readonly users: UserRepository) {}

  async authenticate({ username, credentials }: LoginAttempt): Promise<User | undefined> {
    const offered = credentials.find(credential => credential.kind === 'ssh-certificate');
    if (!offered || !username) return undefined;
    const user = await this.users.findByUsername(username);
    return user && offered.principals.includes(user.username) ? user : undefined;
  }
}

/** Lets in whom a certificate of TLS names as its subject. The protocol has verified it. A name that is given beside it has to be the same. */
export class CertificateAuthenticator implements Authenticator {
  readonly name = 'certificate';

  constructor(private readonly users: UserRepository) {}

  async authenticate({ username, credentials }: LoginAttempt): Promise<User | undefined> {
    const offered = credentials.find(credential => credential.kind === 'certificate');
    if (!offered || (username !== undefined && username !== offered.commonName)) return undefined;
    return this.users.findByUsername(offered.commonName);
  }
}

/** Lets in whom a provider of single sign-on knows under a subject that is linked to a user. The web server has verified what the provider said. */
export class IdentityAuthenticator implements Authenticator {
  readonly name = 'sso';

  constructor(
    private readonly users: UserRepository,
    private readonly identities: IdentityRepository,
  ) {}

  async authenticate({ credentials }: LoginAttempt): Promise<User | undefined> {
    const offered = credentials.find(credential => credential.kind === 'oidc');
    const id = offered && (await this.identities.ownerOf(offered, 'user'));
    return id === undefined ? undefined : this.users.find(id);
  }
}

/** Whether one of the user's keys is the one whose blob `data` is. */
export function holdsKey(user: User, data: Uint8Array): boolean {
  const offered = Buffer.from(data).toString('base64');
  return user.keys.some(key => key.data === offered);
}
