import { apiUrl } from './request.js';

/** A tab that nobody looks at keeps one of the six connections that a browser has to a host; who is back within this time finds it open. */
const HIDDEN_GRACE_MS = 5_000;
/** Waits before a stream that was refused is asked for again. */
const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/** Who listens to a stream. */
export interface StreamListener<T extends string> {
  /** Each message, with its data as it came. */
  readonly hear: (topic: T, data: string) => void;
  readonly connected: (isConnected: boolean) => void;
  /** It was answered by something that is no stream: by a proxy whose hub is away, or since the session has ended. */
  readonly refused: () => void;
}

/**
 * Listens to the hub's changes while the page is shown. A stream that breaks or is refused is opened again until it is there, and one that
 * was closed while the page was hidden when it is shown, each after the last event that was heard. Gives what ends it.
 */
export function listenLive<T extends string>(topics: readonly T[], { hear, connected, refused }: StreamListener<T>): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let leave: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let lastEventId = '';
  const open = () => {
    const opened = new EventSource(apiUrl('/live', { lastEventId }));
    source = opened;
    opened.onopen = () => {
      failures = 0;
      connected(true);
    };
    opened.onerror = () => {
      connected(false);
      // Of a connection that broke, browsers open another one themselves.
      if (opened.readyState !== EventSource.CLOSED) return;
      retry = setTimeout(open, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
      failures += 1;
      refused();
    };
    for (const topic of topics) {
      opened.addEventListener(topic, event => {
        const message = event as MessageEvent<string>;
        lastEventId = message.lastEventId || lastEventId;
        hear(topic, message.data);
      });
    }
  };
  const close = () => {
    clearTimeout(retry);
    source?.close();
    source = undefined;
  };
  const look = () => {
    clearTimeout(leave);
    if (document.visibilityState === 'hidden') leave = setTimeout(close, source ? HIDDEN_GRACE_MS : 0);
    else if (!source) open();
  };
  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    document.removeEventListener('visibilitychange', look);
    clearTimeout(leave);
    close();
  };
}
