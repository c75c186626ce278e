/** `text` with control, bidirectional and other invisible characters written as escapes, for tables and terminals. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, character => {
    const code = character.codePointAt(0)!;
    const short = ({ 9: '\\t', 10: '\\n', 13: '\\r' } as Readonly<Record<number, string>>)[code];
    return short ?? (code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`);
  });
}
