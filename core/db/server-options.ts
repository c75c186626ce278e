import { readFile } from 'node:fs/promises';
import { type DatabaseAddress, parseDatabaseUrl } from '../config/database-url.js';
import { HubError } from '../errors.js';

/** How a database server is reached, beside its address. */
export interface ServerOptions {
  /** Used where the address has none. */
  readonly password: string | undefined;
  /** Connections that write, at most; long lists have a few of their own. */
  readonly pool: number;
  readonly tls: {
    readonly enabled: boolean;
    /** A file of authorities in PEM; those of the system unless given. */
    readonly ca?: string | undefined;
    /** Whether the certificate has to be of an authority and for the host. */
    readonly verify: boolean;
  };
}

/** A database server, and what a connection to it is made with. */
export interface ServerSettings extends DatabaseAddress {
  readonly pool: number;
  /** As node:tls takes it. */
  readonly tls: { readonly ca: string | undefined; readonly rejectUnauthorized: boolean } | undefined;
  /** Whether a commit waits for the disk, as far as a connection has a say in it. */
  readonly isDurable: boolean;
}

/** Throws 'invalid-request' when the file of the authorities cannot be read. */
export async function readServerOptions(
  url: string,
  durability: 'disk' | 'process',
  { password, pool = 10, tls = { enabled: false, verify: true } }: Partial<ServerOptions>,
): Promise<ServerSettings> {
  const address = parseDatabaseUrl(url);
  if (!address)
    throw new HubError('invalid-request', 'database.url: expected mysql://user@host:port/name or postgres://user@host:port/name');
  return {
    ...address,
    password: address.password ?? password,
    pool,
    tls: tls.enabled ? { ca: await readAuthority(tls.ca), rejectUnauthorized: tls.verify } : undefined,
    isDurable: durability === 'disk',
  };
}

/** The address without the password: for messages and logs. */
export function describeServer({ dialect, user, host, port, database }: ServerSettings): string {
  return `${dialect}://${user}@${host.includes(':') ? `[${host}]` : host}:${port}/${database}`;
}

async function readAuthority(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new HubError('invalid-request', `database.tls.ca: ${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
