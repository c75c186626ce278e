/** What an admin may do, the most first: each may what those after it may. */
export const ADMIN_ROLES = ['owner', 'admin', 'operator', 'viewer'] as const;
/** One of ADMIN_ROLES. */
export type AdminRole = (typeof ADMIN_ROLES)[number];

/** Someone who administers the hub. */
export interface Admin {
  readonly id: string;
  readonly username: string;
  readonly role: AdminRole;
  readonly status: 'active' | 'disabled';
  readonly hasPassword: boolean;
  readonly createdAt: number;
  readonly lastLoginAt: number | undefined;
  /** Rises with each change. */
  readonly version: number;
}

/** What create() and update() take. */
export interface AdminFields {
  readonly username: string;
  readonly role: AdminRole;
  readonly status: 'active' | 'disabled';
  readonly passwordHash?: string | undefined;
}
