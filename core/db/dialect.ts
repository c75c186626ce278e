/** The kinds of SQL that the hub speaks. MariaDB is 'mysql'. */
export type Dialect = 'sqlite' | 'mysql' | 'postgres';

/** A list of values as a part of a statement: the text, and what is bound to it. */
export interface ValueList {
  /** '(?, ?, …)'. */
  readonly sql: string;
  readonly bindings: readonly (string | number)[];
}

const texts = new Map<number, string>();

/**
 * The right side of an IN for `values`, of which there is at least one. The last one is repeated up to the next power of two, so that
 * lists of all lengths share a few texts, which stay prepared.
 */
export function among(values: readonly (string | number)[]): ValueList {
  let size = 1;
  while (size < values.length) size *= 2;
  const padding = Array.from({ length: size - values.length }, () => values.at(-1)!);
  return { sql: marks(size), bindings: padding.length === 0 ? values : [...values, ...padding] };
}

/** '(?, ?, …)' with so many marks. */
export function marks(count: number): string {
  let text = texts.get(count);
  if (text === undefined) {
    text = `(${Array.from({ length: count }, () => '?').join(', ')})`;
    texts.set(count, text);
  }
  return text;
}
