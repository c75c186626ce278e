/** Those that no client guesses, the best first. */
const UNGUESSED: readonly string[] = [
  'diffie-hellman-group18-sha512',
  'diffie-hellman-group16-sha512',
  'ecdh-sha2-nistp521',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp256',
];

/**
 * The key exchanges as they are to be offered. A client may send its first packet for the one that it likes best before it knows
 * what the server offers, and sends it again unless the server names the same one first; dropbear's does. ssh2 1.17 passes over
 * every such packet, and the client whose guess was right then waits in vain. So one is named first that nobody guesses. It is
 * not the sooner chosen for that: the client's order decides (RFC 4253, 7.1).
 */
export function offeredExchanges<Name extends string>(names: readonly Name[]): Name[] {
  const first = UNGUESSED.map(name => names.find(other => other === name)).find(name => name !== undefined);
  return first === undefined ? [...names] : [first, ...names.filter(name => name !== first)];
}
