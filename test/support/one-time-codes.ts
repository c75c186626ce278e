import { setTimeout as sleep } from 'node:timers/promises';
import { HOTP, Secret } from 'otpauth';

const STEP_MS = 30_000;
/** So long a code must hold until it is there. */
const ROOM_MS = 10_000;

/** The code of a secret, some steps of 30 s from now. */
export function codeOf(secret: string, steps = 0): string {
  return HOTP.generate({ secret: Secret.fromBase32(secret), counter: Math.floor(Date.now() / STEP_MS) + steps });
}

/** The oldest code that is taken: of one step ago. Waits for the next step where this one is nearly over, and the code with it. */
export async function oldestCodeOf(secret: string): Promise<string> {
  const leftMs = STEP_MS - (Date.now() % STEP_MS);
  if (leftMs < ROOM_MS) await sleep(leftMs);
  return codeOf(secret, -1);
}
