/** Those of `all` that are for `name`: by the name itself, or else by a wildcard in place of its first label (RFC 6125, section 6.4.3). */
export function matching<T extends { readonly names: readonly string[] }>(all: readonly T[], name: string): readonly T[] {
  const plain = name.toLowerCase().replace(/\.$/, '');
  const exact = all.filter(({ names }) => names.includes(plain));
  if (exact.length > 0 || !plain.includes('.')) return exact;
  const wildcard = `*${plain.slice(plain.indexOf('.'))}`;
  return all.filter(({ names }) => names.includes(wildcard));
}
