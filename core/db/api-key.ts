import type { AccountKind } from './web-sessions.js';

/** What a key may do of what its owner may: look at metrics, look at everything, or everything but credentials. */
export const API_KEY_SCOPES = ['metrics', 'read', 'write'] as const;
/** One of API_KEY_SCOPES. */
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];

/** A key with which a program asks in the name of an account, with the rights that this has at the time. */
export interface ApiKey {
  readonly id: string;
  readonly kind: AccountKind;
  readonly ownerId: string;
  readonly name: string;
  /** How it begins, to tell it from others. */
  readonly prefix: string;
  readonly scope: ApiKeyScope;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly lastUsedAt: number | undefined;
}
