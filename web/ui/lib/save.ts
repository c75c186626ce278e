/** Gives the reader a file of this text. */
export function saveText(name: string, text: string, type = 'text/plain'): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A password that nobody guesses: 20 signs of 32, in groups that can be read aloud. */
export function newPassword(): string {
  const signs = 'abcdefghijkmnpqrstuvwxyz23456789';
  const random = crypto.getRandomValues(new Uint8Array(20));
  const text = Array.from(random, byte => signs[byte % signs.length]).join('');
  return text.match(/.{5}/g)!.join('-');
}
