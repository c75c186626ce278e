import { type Role, roleAllows } from '../lib/model.js';
import { useIdentity } from '../lib/session.js';

/** Tells whether the reader's role may do what needs a role: buttons that would be refused are not shown. */
export function useMay(): (needed: Role) => boolean {
  const { role } = useIdentity();
  return needed => roleAllows(role, needed);
}
