import { setTimeout as sleep } from 'node:timers/promises';
import { injectable } from 'tsyringe';
import { type Admin, AdminRepository } from '../db/admins.js';
import { HubError } from '../errors.js';
import { EventBus } from '../events/bus.js';
import { canonicalAddress } from '../net.js';
import { Defence } from './defence.js';
import { Passwords } from './passwords.js';
import { ProofRequired } from './proof-required.js';
import { SecondFactors } from './second-factor.js';

/** The same words for every reason: a stranger must not learn who administers. */
const REFUSED = 'Login failed';

/** An admin who wants in. */
export interface AdminAttempt {
  readonly username: string;
  readonly password: string;
  /** Of the second factor. */
  readonly code?: string | undefined;
  readonly remoteAddress: string;
}

/** Lets admins in. Failures count with those of users: the defence is one. */
@injectable()
export class AdminLogin {
  constructor(
    private readonly admins: AdminRepository,
    private readonly passwords: Passwords,
    private readonly defence: Defence,
    private readonly bus: EventBus,
    private readonly secondFactors: SecondFactors,
  ) {}

  /** Throws ProofRequired ('second-factor-required') when a code is wanted beside what is right, 'rate-limited' for an address that failed too often, and 'authentication-failed' for everything else, whose reason 'login.failed' tells. */
  async login(attempt: AdminAttempt): Promise<Admin> {
    const remoteAddress = canonicalAddress(attempt.remoteAddress);
    if (this.defence.isBanned(remoteAddress))
      throw new HubError('rate-limited', 'Too many failed logins from this address, try again later');
    const admin = await this.admins.findByUsername(attempt.username);
    const matches = await this.passwords.verify(await this.admins.passwordHash(admin?.id ?? ''), attempt.password);
    const reason = this.#refusal(admin, attempt, matches);
    if (!admin || reason !== undefined) return this.#refuse(attempt.username, remoteAddress, reason ?? 'No such admin');
    if (await this.secondFactors.isOn('admin', admin.id)) {
      if (attempt.code === undefined) throw new ProofRequired(['one-time-code']);
      if (!(await this.secondFactors.verify('admin', admin.id, attempt.code)))
        return this.#refuse(attempt.username, remoteAddress, 'The one-time code is wrong, or was used before');
    }
    await this.admins.recordLogin(admin.id, new Date());
    return admin;
  }

  /** Lets an admin in whom a provider of single sign-on has vouched for. Throws 'authentication-failed' for one who is disabled, or has a second factor, which the provider knows nothing of. */
  async loginVouched(admin: Admin): Promise<Admin> {
    const refusal =
      admin.status !== 'active'
        ? 'The admin is disabled'
        : (await this.secondFactors.isOn('admin', admin.id))
          ? 'The admin has a second factor here: password and code let him in'
          : undefined;
    if (refusal !== undefined) throw new HubError('authentication-failed', refusal);
    await this.admins.recordLogin(admin.id, new Date());
    return admin;
  }

  #refusal(admin: Admin | undefined, { username }: AdminAttempt, matches: boolean): string | undefined {
    if (this.defence.isUserBanned(username)) return 'Too many failed logins of this admin';
    if (!admin) return 'No such admin';
    if (!matches) return 'Wrong password of an admin';
    return admin.status === 'active' ? undefined : 'The admin is disabled';
  }

  async #refuse(username: string, remoteAddress: string, reason: string): Promise<never> {
    const delayMs = await this.defence.failed(remoteAddress, username);
    await this.bus.publish('login.failed', { user: username.slice(0, 255), protocol: 'web', remoteAddress, reason }).catch(() => undefined);
    if (delayMs > 0) await sleep(delayMs);
    throw new HubError('authentication-failed', REFUSED);
  }
}
