import { type Query, type QueryClient, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from 'react';
import type { Event, LiveMessages, Traffic } from '../api-types.js';
import { listenLive } from './live-stream.js';
import { useSession } from './session.js';

/** An event of the hub, as CloudEvents has it. */
export type HubEvent = Event;

/** What the stream tells of. */
const TOPICS = [
  'ready',
  'event',
  'delivery',
  'sessions',
  'throughput',
  'traffic',
  'rules',
  'reset',
] as const satisfies readonly (keyof LiveMessages)[];
type Topic = (typeof TOPICS)[number];

/** One message of the stream: what it is about, and what it says of it. */
export type LiveMessage = { readonly [T in Topic]: { readonly topic: T; readonly data: LiveMessages[T] } }[Topic];

type Listener = (message: LiveMessage) => void;

/** Which lists may look otherwise after a message of a topic. */
const TOUCHED: Readonly<Record<string, readonly string[]>> = {
  event: ['/events'],
  delivery: ['/deliveries', '/webhooks', '/targets', '/events', '/extensions'],
  rules: ['/reports', '/targets'],
  // What was moved takes room on the disk.
  traffic: ['/status'],
};
/** What else an action of an administrator touches than the list that its name begins with. */
const TOUCHED_BY_ACTION: Readonly<Record<string, readonly string[]>> = {
  'address-rules': ['/bans'],
  events: ['/deliveries', '/targets'],
  hostkeys: ['/host-keys'],
  me: ['/admins'],
  sessions: ['/status'],
  storages: ['/status'],
  users: ['/sessions'],
  webhooks: ['/targets', '/deliveries'],
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
  const session = useSession();
  const latest = useRef(session);
  latest.current = session;
  useEffect(() => {
    const refresh = refresher(queries);
    return listenLive(TOPICS, {
      connected: setConnected,
      hear: (topic, data) => {
        const message = { topic, data: JSON.parse(data) } as LiveMessage;
        for (const listener of listeners.current) listener(message);
        refresh(message);
      },
      // Who is no longer logged in shall log in.
      refused: () => latest.current.refresh(),
    });
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
  useLive(message => {
    if (message.topic === 'event') listener(message.data);
  });
}

/** Asks again for what a burst of messages touched, once it is over or at its every beat. */
function refresher(queries: QueryClient): (message: LiveMessage) => void {
  const touched = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  return message => {
    if (message.topic === 'sessions') queries.setQueryData(['/sessions', 'list', {}], message.data);
    if (message.topic === 'traffic')
      queries.setQueryData<Traffic>(['/traffic', '/traffic', {}], before => merged(before, message.data.bins));
    // Before the stream was there, or while it was broken, anything may have changed.
    if (message.topic === 'ready' || message.topic === 'reset') void queries.invalidateQueries({ predicate: isOfHub });
    for (const path of TOUCHED[message.topic] ?? []) touched.add(path);
    if (message.topic === 'event') {
      const { type, data } = message.data;
      if (/^login\./.test(type)) touched.add('/users').add('/admins').add('/bans');
      if (type === 'admin.acted') {
        const family = String(data.action).split('.')[0]!;
        for (const path of [`/${family}`, ...(TOUCHED_BY_ACTION[family] ?? [])]) touched.add(path);
      }
      if (type === 'certificate.expiring') touched.add('/certificates');
    }
    if (touched.size === 0 || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      for (const path of touched) void queries.invalidateQueries({ queryKey: [path] });
      touched.clear();
    }, SETTLE_MS);
  };
}

/** Whether a query asks the hub for something that it may tell otherwise later. */
function isOfHub({ queryKey: [path] }: Query): boolean {
  return String(path).startsWith('/') && path !== '/openapi.json';
}

/** With the bins that changed in place of what they were. */
function merged(traffic: Traffic | undefined, changed: Traffic['bins']): Traffic | undefined {
  if (!traffic) return traffic;
  const bins = new Map([...traffic.bins, ...changed].map(bin => [bin.at, bin]));
  return { ...traffic, bins: [...bins.values()].sort((one, other) => one.at - other.at) };
}
