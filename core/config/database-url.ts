/** What the address of a database server says. */
export interface DatabaseAddress {
  readonly dialect: 'mysql' | 'postgres';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Undefined when it has none. */
  readonly password: string | undefined;
  readonly database: string;
}

const KINDS: Readonly<Record<string, readonly [dialect: DatabaseAddress['dialect'], port: number]>> = {
  'mysql:': ['mysql', 3306],
  'mariadb:': ['mysql', 3306],
  'postgres:': ['postgres', 5432],
  'postgresql:': ['postgres', 5432],
};

/** Reads 'mysql://user:password@host:port/name' or 'postgres://…'; password and port may be left out. Undefined for anything else. */
export function parseDatabaseUrl(text: string): DatabaseAddress | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(text);
  const kind = KINDS[protocol];
  if (!kind || hostname === '' || username === '' || !/^\/[^/]+$/.test(pathname) || search !== '' || hash !== '') return undefined;
  try {
    return {
      dialect: kind[0],
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? kind[1] : Number(port),
      user: decodeURIComponent(username),
      password: password === '' ? undefined : decodeURIComponent(password),
      database: decodeURIComponent(pathname.slice(1)),
    };
  } catch {
    return undefined;
  }
}

/** Whether `text` says where the records are: 'sqlite:FILE', or the address of a server. */
export function isDatabaseUrl(text: string): boolean {
  return /^sqlite:.+/.test(text) || parseDatabaseUrl(text) !== undefined;
}
