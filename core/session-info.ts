/** What is public about a session: in events, in the admin's list, in logs. */
export interface SessionInfo {
  readonly id: string;
  readonly user: string;
  /** Name of the protocol: 'sftp', 'ftp', 'web'. */
  readonly protocol: string;
  /** Whether the connection is encrypted, by whatever means and since when: always true for SSH. Not whether its listener speaks TLS from the first byte, which ListenAddress.tls tells. */
  readonly tls: boolean;
  readonly remoteAddress: string;
  /** RFC 3339, UTC. */
  readonly startedAt: string;
}

/** A session as the admin sees it, now. */
export interface SessionSnapshot extends SessionInfo {
  /** RFC 3339, UTC. */
  readonly lastActivity: string;
  readonly transfers: readonly TransferSnapshot[];
}

/** One transfer of a session, now. */
export interface TransferSnapshot {
  readonly path: string;
  readonly direction: 'upload' | 'download';
  readonly bytes: number;
  /** Of the whole file, where that is known: not of an upload. */
  readonly size?: number;
}
