import type { Request, Server } from '@hapi/hapi';
import { addressWithin, HUB_VERSION, HubError } from '#core/api.js';
import type { Figures } from '#core/cluster/figures.js';
import type { OpenCount } from '#core/db/open-deliveries.js';
import { Metrics } from '#core/metrics.js';
import { authenticate } from '../auth/authenticate.js';
import type { WebServices } from '../services.js';
import { clientOf } from './client.js';

const LOOPBACK = ['127.0.0.0/8', '::1'];
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const OPEN_STATES = ['waiting', 'running', 'dead'] as const;

/** /metrics for Prometheus: for whoever asks on the machine itself, and with a key of an admin. METRICS.md tells what is in it. */
export function addMetrics(server: Server, services: WebServices): void {
  let process: Promise<() => Promise<string>> | undefined;
  server.route({
    method: 'GET',
    path: `${services.options.basePath}metrics`,
    handler: async (request, h) => {
      await requireReader(request, services);
      const figures = await services.figures();
      // Loaded with the first request.
      process ??= figures.length === 1 ? processMetrics() : undefined;
      const current = new Metrics();
      for (const { counted } of figures) current.add(counted);
      await Promise.all([measureDatabase(current, services), measureHub(current, services)]);
      return h
        .response(current.render() + (process ? await (await process)() : renderTotals(figures)))
        .type(CONTENT_TYPE)
        .header('cache-control', 'no-store');
    },
  });
}

async function requireReader(request: Request, services: WebServices): Promise<void> {
  const caller = await authenticate(request, services);
  if (caller?.kind === 'admin' || addressWithin(clientOf(request, services.options).remoteAddress, LOOPBACK)) return;
  if (caller) throw new HubError('permission-denied', 'This is for an admin');
  throw new HubError('authentication-failed', 'Send a key of an admin');
}

/** Of a hub of several processes, what can be added up: which of them answers is chance. */
function renderTotals(figures: readonly Figures[]): string {
  const total = (of: (one: Figures) => number) => figures.reduce((sum, one) => sum + of(one), 0);
  return [
    '# HELP process_cpu_seconds_total Time of the processor that all processes of the hub used',
    '# TYPE process_cpu_seconds_total counter',
    `process_cpu_seconds_total ${total(one => one.cpuSeconds)}`,
    '# HELP process_resident_memory_bytes Memory of all processes of the hub',
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${total(one => one.residentBytes)}`,
    '',
  ].join('\n');
}

/** Memory, processor, event loop and descriptors of this process. */
async function processMetrics(): Promise<() => Promise<string>> {
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return () => registry.metrics();
}

/** What the database knows; left out while it does not answer, which is told as well. */
async function measureDatabase(metrics: Metrics, { operations, openDeliveries, databaseRetries }: WebServices): Promise<void> {
  metrics.set('entrepot_database_retries_total', {}, databaseRetries());
  const began = performance.now();
  try {
    await operations.admins.isEmpty();
    metrics.set('entrepot_database_probe_seconds', {}, (performance.now() - began) / 1_000);
    const [open, bans, backedUpAt] = await Promise.all([openDeliveries(), operations.bans.list(), operations.backups.lastAt()]);
    measureDeliveries(metrics, open, target => operations.ruleTable.kindOf(target));
    metrics.set('entrepot_bans_active', {}, bans.length);
    metrics.set('entrepot_backup_last_success_timestamp_seconds', {}, (backedUpAt ?? 0) / 1_000);
    metrics.set('entrepot_database_up', {}, 1);
  } catch {
    metrics.set('entrepot_database_up', {}, 0);
  }
}

function measureDeliveries(metrics: Metrics, open: readonly OpenCount[], kindOf: (target: string) => string): void {
  const now = Date.now();
  const due = open.filter(({ state }) => state === 'waiting');
  for (const kind of new Set(open.map(({ target }) => kindOf(target))))
    for (const state of OPEN_STATES) metrics.count('entrepot_deliveries', { kind, state }, 0);
  for (const { target, state, count } of open) metrics.count('entrepot_deliveries', { kind: kindOf(target), state }, count);
  const oldest = Math.min(now, ...due.flatMap(({ dueAt }) => dueAt ?? []));
  metrics.set(
    'entrepot_deliveries_due',
    {},
    due.reduce((sum, one) => sum + one.due, 0),
  );
  metrics.set('entrepot_deliveries_oldest_due_seconds', {}, (now - oldest) / 1_000);
}

async function measureHub(metrics: Metrics, { operations }: WebServices): Promise<void> {
  metrics.set('entrepot_build_info', { version: HUB_VERSION }, 1);
  const redis = operations.coordinator.connected();
  if (redis !== undefined) metrics.set('entrepot_redis_up', {}, redis ? 1 : 0);
  for (const { names, notAfter } of operations.certificates.list())
    metrics.set('entrepot_certificate_not_after_timestamp_seconds', { certificate: names[0] ?? '' }, notAfter.getTime() / 1_000);
  for (const protocol of operations.protocols) {
    metrics.count('entrepot_sessions_active', { protocol }, 0);
    for (const direction of ['upload', 'download']) metrics.count('entrepot_transfers_active', { protocol, direction }, 0);
  }
  const sessions = await operations.sessions.list().catch(() => []);
  for (const { protocol, transfers } of sessions) {
    metrics.count('entrepot_sessions_active', { protocol });
    for (const { direction } of transfers) metrics.count('entrepot_transfers_active', { protocol, direction });
  }
}
