/** What a past event tells beside what every one does. */
export interface PastEvent {
  readonly id: string;
  readonly type: string;
  readonly user: string;
  /** In milliseconds since 1970. */
  readonly time: number;
  readonly path: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A UUIDv7 of a time that was; `number` tells those of one moment apart. */
export function idOf(time: number, number: number): string {
  const hex = time.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${number.toString(16).padStart(12, '0')}`;
}

/** The JSON of an event as a hub would have recorded it. */
export function pastEvent({ id, type, user, time, path, data }: PastEvent): string {
  const at = new Date(time).toISOString();
  const session = { id, user, protocol: 'sftp', tls: true, remoteAddress: '192.0.2.1', startedAt: at };
  return JSON.stringify({
    specversion: '1.0',
    id,
    type,
    source: 'entrepot/node',
    subject: path,
    time: at,
    datacontenttype: 'application/json',
    data: { path, session, ...data },
  });
}
