import type { ActionType, Delivery, EventTypes, ExtensionHost, HubEvent, Logger, Rule, SessionInfo } from '#core/api.js';
import { uuidv7 } from '#core/api.js';
import type { LogFields } from '#core/log.js';
import { Outbound } from '#core/outbound.js';

/** An extension host that keeps what is registered, for tests of one extension. */
export interface FakeHost {
  readonly host: ExtensionHost;
  /** The last rules that were set, by source. */
  readonly rules: Map<string, readonly Rule[]>;
  readonly lines: ReadonlyArray<{ readonly level: string; readonly fields: LogFields; readonly message: string }>;
  /** The action type of this name. */
  action(name: string): ActionType;
  report(name: string): Promise<unknown>;
  /** Runs what was to be run at start; resolves to what stops it. */
  start(): Promise<() => Promise<void>>;
}

/** Makes a host whose data directory is `dataDirectory`. Private addresses are allowed where `allow` says so. */
export function fakeHost(dataDirectory: string, allow: readonly string[] = ['127.0.0.0/8'], localPath?: string): FakeHost {
  const actions = new Map<string, ActionType>();
  const rules = new Map<string, readonly Rule[]>();
  const reports = new Map<string, () => Promise<unknown>>();
  const starts: Array<Parameters<ExtensionHost['onStart']>[0]> = [];
  const lines: Array<{ level: string; fields: LogFields; message: string }> = [];
  const line = (level: string) => (fields: LogFields, message: string) => void lines.push({ level, fields, message });
  const log: Logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error'), child: () => log };
  const unused = () => {
    throw new Error('not expected in this test');
  };
  const host: ExtensionHost = {
    log,
    dataDirectory,
    outbound: new Outbound({ allow, timeoutMs: 10_000 }),
    localPath: async () => localPath,
    reserve: () => undefined,
    backend: unused,
    protocol: unused,
    authenticator: unused,
    action: type => void actions.set(type.name, type as unknown as ActionType),
    on: unused,
    guard: unused,
    rules: source => list => void rules.set(source, list),
    every: unused,
    onStart: start => void starts.push(start),
    report: (name, make) => void reports.set(name, make),
  };
  return {
    host,
    rules,
    lines,
    action: name => actions.get(name)!,
    report: name => reports.get(name)!(),
    async start() {
      const stops = await Promise.all(starts.map(start => start()));
      return async () => {
        for (const stop of stops) await stop?.();
      };
    },
  };
}

/** Alice's session. */
export const SESSION: SessionInfo = {
  id: 's1',
  user: 'alice',
  protocol: 'sftp',
  tls: true,
  remoteAddress: '192.0.2.1',
  startedAt: '2026-01-02T03:04:05.000Z',
};

/** A delivery of `upload.completed` for `path`. */
export function uploadDelivery(path = '/in/report.csv', attempt = 1): Delivery {
  const data: EventTypes['upload.completed'] = {
    session: SESSION,
    path,
    storage: 'data',
    storagePath: `/alice${path}`,
    size: 3,
    bytes: 3,
    durationMs: 1,
    replaced: false,
  };
  const id = uuidv7();
  const event: HubEvent<'upload.completed'> = {
    specversion: '1.0',
    id,
    type: 'upload.completed',
    source: 'entrepot/test',
    subject: path,
    time: '2026-01-02T03:04:05.000Z',
    datacontenttype: 'application/json',
    data,
  };
  return { id: `d-${id}`, target: 'rule/r/0', attempt, event };
}
