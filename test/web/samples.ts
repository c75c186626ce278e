import type { TestHubOptions } from '../support/hub.js';

/** What stands in paths of routes, where a test wants one that is there. */
export const PARAMS: Readonly<Record<string, string>> = {
  name: 'alice',
  id: '00000000-0000-7000-8000-000000000000',
  fingerprint: 'SHA256:none',
  subject: '192.0.2.1',
  kind: 'ed448',
};

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPkDnDZwMBNtfqxoCtFTxcB9YCuMrh5uyC9fVzRgvP8 laptop';

/** A body that each operation takes, and that changes nothing which other calls of a test need. */
export const BODIES: Readonly<Record<string, unknown>> = {
  'session.create': { username: 'nobody', password: 'x', scope: 'user' },
  'setup.finish': { token: 'x', username: 'eve', password: 'a long password' },
  'me.password': { current: 'not it', password: 'another long one' },
  'me.keys.add': { key: KEY },
  'me.second-factor.begin': { password: 'not it' },
  'me.second-factor.confirm': { code: '123456' },
  'me.second-factor.recovery-codes': { password: 'not it', code: '123456' },
  'me.second-factor.remove': { password: 'not it', code: '123456' },
  'files.mkdir': { path: '/made' },
  'files.rename': { from: '/none', to: '/nowhere' },
  'files.copy': { from: '/none', to: '/nowhere' },
  'users.add': { username: 'new-user', password: 'pw' },
  'users.set': { description: 'changed' },
  'users.keys.add': { key: KEY },
  'admins.create': { username: 'new-admin', role: 'viewer' },
  'admins.set': { status: 'active' },
  'admins.reset-password': {},
  'api-keys.create': { name: 'a key', scope: 'read' },
  'storages.add': { name: 'new-storage', kind: 'memory' },
  'storages.try': { kind: 'memory' },
  'storages.set': { options: {} },
  'webhooks.add': { url: 'http://127.0.0.1:9/x', events: ['upload.completed'] },
  'webhooks.try': { url: 'http://127.0.0.1:9/x' },
  'webhooks.set': { enabled: false },
  'events.replay-range': { since: 0, dryRun: true },
  'events.replay': {},
  'deliveries.retry-all': {},
  'address-rules.add': { range: '192.0.2.0/24', action: 'deny' },
  'certificates.selfSigned': { names: ['hub.example'] },
  'hostkeys.add': { kind: 'ed448' },
  'branding.set': { name: 'Ours' },
};

/** The query that an operation needs. */
export const QUERIES: Readonly<Record<string, string>> = {
  'events.export': '?format=jsonl',
  'files.show': '?path=/none',
  'files.download': '?path=/none',
  'files.upload': '?path=/uploaded',
  'files.remove': '?path=/none',
};

/** A hub that such calls are made to. */
export const SAMPLE_HUB: TestHubOptions = {
  users: { alice: { password: 'pw' }, bob: { password: 'pw' } },
  values: { defence: { enabled: false } },
};
