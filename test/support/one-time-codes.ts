import { HOTP, Secret } from 'otpauth';

/** The code of a secret, some steps of 30 s from now. */
export function codeOf(secret: string, steps = 0): string {
  return HOTP.generate({ secret: Secret.fromBase32(secret), counter: Math.floor(Date.now() / 30_000) + steps });
}
