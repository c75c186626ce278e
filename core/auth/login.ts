import type { User } from '../db/users.js';
import type { Session } from './session.js';

/** Proof of identity. A protocol verifies possession (the SSH signature, the OIDC code exchange) before it offers one. */
export type Credential =
  | { readonly kind: 'password'; readonly password: string }
  | { readonly kind: 'public-key'; readonly algorithm: string; readonly data: Uint8Array }
  | { readonly kind: 'certificate'; readonly commonName: string; readonly fingerprint: string }
  | { readonly kind: 'one-time-code'; readonly code: string }
  | { readonly kind: 'oidc'; readonly provider: string; readonly subject: string; readonly email?: string }
  | { readonly kind: 'token'; readonly token: string };

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

/** A connection that has not logged in yet, as admit() counted it. */
export interface Admission {
  /** Frees its place; safe to call twice. */
  release(): void;
}

export declare class LoginService {
  /**
   * Counts a new connection from `remoteAddress` before anything is said to it, until release(): after the login or
   * when the connection closes. Undefined when it must be dropped: the limits of unauthenticated connections are reached.
   */
  admit(remoteAddress: string): Admission | undefined;
  /** Whether a signature by this key could log `username` in. For SSH, which asks before it signs. */
  acceptsKey(username: string, key: Extract<Credential, { kind: 'public-key' }>): Promise<boolean>;
  /**
   * Checks authenticators, account status, protocol and address rules, guards and session limits, in this order, and
   * publishes 'login.succeeded' or 'login.failed'.
   * Throws 'authentication-failed', 'second-factor-required', 'permission-denied', 'rate-limited' or 'too-many-sessions'.
   */
  login(attempt: LoginAttempt): Promise<Session>;
}
