import { timingSafeEqual } from 'node:crypto';
import { injectable } from 'tsyringe';
import { z } from 'zod';
import { type Admin, AdminRepository } from '../db/admins.js';
import { SettingsRepository } from '../db/settings.js';
import { digestOf } from '../db/web-sessions.js';
import { HubError } from '../errors.js';
import { randomToken } from '../ids.js';
import { Passwords } from './passwords.js';

const KEY = 'setup.token';
const TOKEN_BYTES = 24;
const LIFETIME_MS = 3_600_000;

const kept = z.object({ digest: z.string(), until: z.number() });

/** The first owner: made once, by whoever read the link that the hub printed. */
@injectable()
export class Setup {
  constructor(
    private readonly admins: AdminRepository,
    private readonly settings: SettingsRepository,
    private readonly passwords: Passwords,
  ) {}

  /** Whether there is no admin yet. */
  needed(): Promise<boolean> {
    return this.admins.isEmpty();
  }

  /** A new token for the link, good for an hour and for one admin; the one before is good no longer. */
  async token(): Promise<string> {
    const token = randomToken(TOKEN_BYTES);
    await this.settings.set(KEY, { digest: digestOf(token), until: Date.now() + LIFETIME_MS });
    return token;
  }

  /** Makes the owner. Throws 'permission-denied' for a token that is not, or no longer, good, and 'conflict' when there is an admin. */
  async finish(token: string, username: string, password: string): Promise<Admin> {
    await this.#check(token);
    const admin = await this.create(username, password);
    await this.settings.set(KEY, null);
    return admin;
  }

  /** Makes the owner for whoever holds the data directory or the configuration. Throws 'conflict' when there is an admin. */
  async create(username: string, password: string): Promise<Admin> {
    const passwordHash = await this.passwords.hash(password);
    return this.admins.create({ username, role: 'owner', status: 'active', passwordHash }, { first: true });
  }

  async #check(token: string): Promise<void> {
    if (!(await this.needed())) throw new HubError('conflict', 'The hub is set up already; log in instead');
    const { success, data } = kept.safeParse(await this.settings.get(KEY));
    if (!success || !timingSafeEqual(Buffer.from(data.digest), Buffer.from(digestOf(token))))
      throw new HubError('permission-denied', 'The set-up link is not the one that the hub printed last', { field: 'token' });
    if (data.until <= Date.now())
      throw new HubError('permission-denied', 'The set-up link has expired; restart the hub, or run `entrepot admin create`', {
        field: 'token',
      });
  }
}
