/** One statement with its values. Kept prepared by its text: build the text once, never with values in it. */
export interface Statement {
  readonly sql: string;
  readonly bindings: readonly (string | number | null | Buffer)[];
}

/** What one statement did. */
export interface StatementResult {
  /** Rows changed; 0 for a SELECT. */
  readonly changes: number;
  /** Rows of a SELECT or of RETURNING. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}
