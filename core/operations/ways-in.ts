import type { User } from '../db/user.js';

/** Whether a new user with these `methods` and no password given needs one to log in. */
export function wantsPassword(methods: readonly string[], hasKey: boolean): boolean {
  if (methods.length === 0) return !hasKey;
  const proofs = methods.map(method => method.split('+'));
  if (hasKey && proofs.some(parts => !parts.includes('password'))) return false;
  return proofs.some(parts => parts.includes('password'));
}

/** Why none of the user's methods can be fulfilled with the password and keys on record; undefined when one can. */
export function cannotLogIn({
  username,
  methods,
  hasPassword,
  keys,
}: Pick<User, 'username' | 'methods' | 'hasPassword' | 'keys'>): string | undefined {
  const lacks = methods.map(method => {
    const parts = method.split('+');
    return [
      ...(parts.includes('publickey') && keys.length === 0 ? ['key'] : []),
      ...(parts.includes('password') && !hasPassword ? ['password'] : []),
    ];
  });
  if (lacks.length === 0 || lacks.some(missing => missing.length === 0)) return undefined;
  const without = lacks[0]!.map(missing => `no ${missing}`).join(' and ');
  const remedy = lacks[0]!.includes('key')
    ? `\`entrepot user key add ${username} FILE\` adds one, unless a trusted authority certifies his`
    : `\`entrepot user set ${username} --password-file FILE\` sets one`;
  return `'${username}' logs in by ${methods.join(' or ')} and has ${without}; ${remedy}`;
}
