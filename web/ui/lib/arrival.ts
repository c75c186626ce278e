let isReturn = false;

// 'pushState' is what the router sends for each page that is opened.
addEventListener('popstate', () => {
  isReturn = true;
});
addEventListener('pushState', () => {
  isReturn = false;
});

/** Whether the page was reached by going back or forward: then the reader expects it as he left it. */
export function isReturning(): boolean {
  return isReturn;
}

/** What the history remembers of how an entry was opened. */
export interface Origin {
  /** The path of the list that led here. */
  readonly list?: string;
}

/** Whether going back leads to the list at `path`. */
export function cameFrom(path: string): boolean {
  return (history.state as Origin | null)?.list === path;
}
