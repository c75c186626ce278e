import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from 'react';
import { apiUrl } from './request.js';

/** An event of the hub, as CloudEvents has it. */
export interface HubEvent {
  readonly id: string;
  readonly type: string;
  readonly source: string;
  readonly subject?: string;
  /** RFC 3339. */
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** One message of the stream: what it is about, and what it says of it. */
export interface LiveMessage {
  readonly topic: string;
  readonly data: unknown;
}

type Listener = (message: LiveMessage) => void;

/** What the stream tells of. */
const TOPICS = ['event', 'delivery', 'sessions', 'reset'] as const;
/** Which lists may look otherwise after a message of a topic. */
const TOUCHED: Readonly<Record<string, readonly string[]>> = {
  event: ['/events'],
  delivery: ['/deliveries', '/webhooks', '/events'],
};
const SETTLE_MS = 400;

interface Live {
  readonly connected: boolean;
  readonly listen: (listener: Listener) => () => void;
}

const LiveContext = createContext<Live>({ connected: false, listen: () => () => undefined });

/** Keeps one stream of the hub's changes open for the page, and has lists that changed asked for again. */
export function LiveProvider({ children }: { readonly children: ReactNode }) {
  const queries = useQueryClient();
  const [connected, setConnected] = useState(false);
  const listeners = useRef(new Set<Listener>());
  useEffect(() => {
    const refresh = refresher(queries);
    const source = new EventSource(apiUrl('/live'));
    source.onopen = () => setConnected(true);
    source.onerror = () => setConnected(false);
    for (const topic of TOPICS) {
      source.addEventListener(topic, event => {
        const message = { topic, data: JSON.parse((event as MessageEvent<string>).data) as unknown };
        for (const listener of listeners.current) listener(message);
        refresh(message);
      });
    }
    return () => source.close();
  }, [queries]);
  const live = useMemo<Live>(
    () => ({
      connected,
      listen: listener => {
        listeners.current.add(listener);
        return () => listeners.current.delete(listener);
      },
    }),
    [connected],
  );
  return <LiveContext.Provider value={live}>{children}</LiveContext.Provider>;
}

/** Whether changes arrive by themselves. */
export function useLiveState(): boolean {
  return useContext(LiveContext).connected;
}

/** Calls `listener` with each message while the component is shown. */
export function useLive(listener: Listener): void {
  const { listen } = useContext(LiveContext);
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => listen(message => latest.current(message)), [listen]);
}

/** Calls `listener` with each event of the hub while the component is shown. */
export function useLiveEvents(listener: (event: HubEvent) => void): void {
  useLive(({ topic, data }) => {
    if (topic === 'event') listener(data as HubEvent);
  });
}

/** Asks again for what a burst of messages touched, once it is over or at its every beat. */
function refresher(queries: QueryClient): (message: LiveMessage) => void {
  const touched = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  return ({ topic, data }) => {
    if (topic === 'sessions') queries.setQueryData(['/sessions', 'list', {}], data);
    if (topic === 'reset') void queries.invalidateQueries();
    for (const path of TOUCHED[topic] ?? []) touched.add(path);
    if (topic === 'event' && /^login\./.test((data as HubEvent).type)) touched.add('/users').add('/bans');
    if (touched.size === 0 || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      for (const path of touched) void queries.invalidateQueries({ queryKey: [path] });
      touched.clear();
    }, SETTLE_MS);
  };
}
