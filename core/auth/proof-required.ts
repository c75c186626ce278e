import type { Proof } from '../db/users.js';
import { HubError } from '../errors.js';

/** What may be asked for after a first proof. */
export type NextProof = Proof | 'one-time-code';

/** The credentials so far are right, and one of `next` is wanted beside them: 'second-factor-required'. */
export class ProofRequired extends HubError {
  constructor(readonly next: readonly NextProof[]) {
    super('second-factor-required', `One more proof is required: ${next.join(' or ')}`);
  }
}
