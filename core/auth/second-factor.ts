import { randomBytes, timingSafeEqual } from 'node:crypto';
import { injectable } from 'tsyringe';
import { SecondFactorRepository } from '../db/second-factors.js';
import { type AccountKind, digestOf } from '../db/web-sessions.js';
import { HubError } from '../errors.js';

const STEP_MS = 30_000;
/** Clocks may differ by one step. */
const DRIFT = [0, -1, 1];
const SECRET_BYTES = 20;
const RECOVERY_CODES = 10;
const RECOVERY_BYTES = 10;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Codes of an authenticator app (RFC 6238: SHA-1, six digits, 30 s) as a second factor, and recovery codes beside them. Each code is good once. */
@injectable()
export class SecondFactors {
  constructor(private readonly repository: SecondFactorRepository) {}

  /** Whether the account is asked for a code. */
  async isOn(kind: AccountKind, ownerId: string): Promise<boolean> {
    return (await this.repository.those(kind, [ownerId])).size > 0;
  }

  /** Those of `ownerIds` who are asked for a code. */
  those(kind: AccountKind, ownerIds: readonly string[]): Promise<ReadonlySet<string>> {
    return this.repository.those(kind, ownerIds);
  }

  /** How many recovery codes are left. */
  async recoveryLeft(kind: AccountKind, ownerId: string): Promise<number> {
    return (await this.repository.find(kind, ownerId))?.recovery.length ?? 0;
  }

  /** Makes a secret for the app, in base32; it counts once it is confirmed. Throws 'conflict' when there is one that counts. */
  async begin(kind: AccountKind, ownerId: string): Promise<string> {
    const secret = base32(randomBytes(SECRET_BYTES));
    if (!(await this.repository.begin(kind, ownerId, secret)))
      throw new HubError('conflict', 'There is a second factor already; remove it first');
    return secret;
  }

  /** From now on the account is asked. Gives recovery codes, this once. Throws 'invalid-request' when the code is not that of the secret. */
  async confirm(kind: AccountKind, ownerId: string, code: string): Promise<readonly string[]> {
    const factor = await this.repository.find(kind, ownerId);
    if (!factor || factor.confirmed) throw new HubError('conflict', 'There is nothing to confirm; begin first');
    if (!(await this.#useCode(kind, ownerId, factor.secret, code)))
      throw new HubError('invalid-request', 'The code is wrong; is the clock of the device right?', { field: 'code' });
    return this.renewRecovery(kind, ownerId);
  }

  /** New recovery codes in place of those there were. */
  async renewRecovery(kind: AccountKind, ownerId: string): Promise<readonly string[]> {
    const codes = Array.from({ length: RECOVERY_CODES }, () => grouped(base32(randomBytes(RECOVERY_BYTES))));
    await this.repository.confirm(kind, ownerId, codes.map(recoveryDigest));
    return codes;
  }

  /** Whether the code is right: one of the app, or a recovery code. Either is used up by it. */
  async verify(kind: AccountKind, ownerId: string, code: string): Promise<boolean> {
    const factor = await this.repository.find(kind, ownerId);
    if (!factor?.confirmed) return false;
    const digits = code.replace(/\s/g, '');
    if (/^\d{6}$/.test(digits)) return this.#useCode(kind, ownerId, factor.secret, digits);
    return this.repository.useRecovery(kind, ownerId, recoveryDigest(code));
  }

  /** Takes it away. Whether there was one. */
  remove(kind: AccountKind, ownerId: string): Promise<boolean> {
    return this.repository.delete(kind, ownerId);
  }

  async #useCode(kind: AccountKind, ownerId: string, secret: string, code: string): Promise<boolean> {
    const { HOTP, Secret } = await import('otpauth');
    const now = Math.floor(Date.now() / STEP_MS);
    for (const step of DRIFT.map(drift => now + drift)) {
      const right = HOTP.generate({ secret: Secret.fromBase32(secret), counter: step });
      if (code.length === right.length && timingSafeEqual(Buffer.from(code), Buffer.from(right)))
        return this.repository.useStep(kind, ownerId, step);
    }
    return false;
  }
}

/** What an app reads from a picture: the secret, under the hub's name and the account's. */
export function otpauthUri(issuer: string, account: string, secret: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`;
  return `otpauth://totp/${label}?secret=${secret}&issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=6&period=30`;
}

function base32(bytes: Buffer): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{5}/g) ?? []).map(five => BASE32[Number.parseInt(five, 2)]).join('');
}

function grouped(text: string): string {
  return text.match(/.{4}/g)!.join('-');
}

/** However it is typed. */
function recoveryDigest(code: string): string {
  return digestOf(code.toUpperCase().replace(/[^A-Z2-7]/g, ''));
}
