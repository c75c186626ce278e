/** Part of a long list. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly total: number;
  /** Pass it as `cursor` to get the next page; absent on the last. */
  readonly next?: string;
}
