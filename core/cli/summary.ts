import { networkInterfaces } from 'node:os';
import type { Listener } from '../operations/services.js';
import { renderBox } from './output.js';

/** What the box at the start tells. */
export interface Summary {
  readonly version: string;
  readonly listeners: readonly Listener[];
  /** Name and value, below the addresses. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** What to do next, in lines. */
  readonly next: readonly string[];
}

/** The one box that a hub prints when it listens: where, what clients should see, and what to do next. */
export function renderSummary({ version, listeners, facts, next }: Summary): string {
  const rows: (readonly [string, string])[] = [];
  for (const listener of listeners) {
    rows.push([listener.protocol.toUpperCase(), listener.url ?? addressOf(listener)]);
    for (const fingerprint of listener.fingerprints ?? []) rows.push(['Host key', fingerprint]);
  }
  rows.push(...facts);
  const widest = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(widest)}  ${value}`);
  return renderBox(`Entrepot ${version}`, next.length ? [...lines, '', ...next] : lines);
}

/** The command with which a client reaches a listener. */
export function clientCommand({ host, port }: Listener, user: string): string {
  const name = isWildcard(host) ? 'localhost' : host;
  return `sftp ${port === 22 ? '' : `-P ${port} `}${user}@${name}`;
}

function addressOf({ protocol, host, port, tls }: Listener): string {
  const url = (name: string) =>
    `${protocol}${tls && !protocol.endsWith('s') ? 's' : ''}://${name.includes(':') ? `[${name}]` : name}:${port}`;
  if (!isWildcard(host)) return url(host);
  const outside = Object.values(networkInterfaces())
    .flat()
    .find(address => address && !address.internal && address.family === 'IPv4');
  return `${url('localhost')}${outside ? `, ${url(outside.address)}` : ''} (all addresses)`;
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
