import type { Server } from '@hapi/hapi';
import { HUB_VERSION } from '#core/api.js';
import type { Figures, MachineFigures } from '#core/cluster/figures.js';
import type { OpenCount } from '#core/db/open-deliveries.js';
import { Metrics } from '#core/metrics.js';
import type { WebServices } from '../services.js';
import { MetricsReaders, withinLimit } from './metrics-readers.js';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
/** Prometheus waits 10 s in all. */
const DATABASE_MS = 5_000;
const OPEN_STATES = ['waiting', 'running', 'dead'] as const;

/** /metrics for Prometheus: for whoever asks on the machine itself, and with a key of an admin. METRICS.md tells what is in it. */
export function addMetrics(server: Server, services: WebServices): void {
  const readers = new MetricsReaders(services);
  let process: Promise<() => Promise<string>> | undefined;
  server.route({
    method: 'GET',
    path: `${services.options.basePath}metrics`,
    handler: async (request, h) => {
      await readers.require(request);
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

/** Of a hub of several processes: which of them answers is chance, so figures are added up, or told of each. */
function renderTotals(figures: readonly Figures[]): string {
  const total = (of: (one: Figures) => number) => figures.reduce((sum, one) => sum + of(one), 0);
  return [
    '# HELP process_cpu_seconds_total Time of the processor that all processes of the hub used',
    '# TYPE process_cpu_seconds_total counter',
    `process_cpu_seconds_total ${total(one => one.cpuSeconds)}`,
    '# HELP process_resident_memory_bytes Memory of all processes of the hub',
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${total(one => one.residentBytes)}`,
    ...ofEach(figures, 'nodejs_eventloop_lag_p99_seconds', 'The 99th percentile of the delay of the event loop', one => one.lagSeconds),
    ...ofEach(figures, 'process_open_fds', 'Open file descriptors', one => one.openDescriptors),
    ...ofEach(figures, 'process_max_fds', 'How many file descriptors may be open', one => one.mostDescriptors),
    '',
  ].join('\n');
}

function ofEach(
  figures: readonly Figures[],
  name: string,
  help: string,
  of: (one: MachineFigures) => number | undefined,
): readonly string[] {
  const values = new Map<string, number>();
  for (const { machine } of figures) {
    const value = machine && of(machine);
    // While processes are replaced, two have the same part.
    if (machine && value !== undefined) values.set(machine.process, Math.max(value, values.get(machine.process) ?? 0));
  }
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} gauge`,
    ...[...values].map(([process, value]) => `${name}{process="${process}"} ${value}`),
  ];
}

/** Memory, processor, event loop and descriptors of this process. */
async function processMetrics(): Promise<() => Promise<string>> {
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return () => registry.metrics();
}

/** What the database knows; left out while it does not answer, which is told as well. */
async function measureDatabase(metrics: Metrics, services: WebServices): Promise<void> {
  const { operations, openDeliveries, databaseRetries } = services;
  metrics.set('entrepot_database_retries_total', {}, databaseRetries());
  const began = performance.now();
  try {
    const backups = () => Promise.all([operations.backups.lastAt(), operations.backups.dueAt()]);
    const ask = async () => {
      await operations.admins.isEmpty();
      const probeMs = performance.now() - began;
      return { probeMs, asked: await Promise.all([openDeliveries(), operations.bans.list(), backups()]) };
    };
    const { probeMs, asked } = await withinLimit(ask(), DATABASE_MS);
    const [open, bans, [backedUpAt, backUpAt]] = asked;
    metrics.set('entrepot_database_probe_seconds', {}, probeMs / 1_000);
    measureDeliveries(metrics, open, target => operations.ruleTable.kindOf(target));
    metrics.set('entrepot_bans_active', {}, bans.length);
    if (backedUpAt !== undefined) metrics.set('entrepot_backup_last_success_timestamp_seconds', {}, backedUpAt / 1_000);
    if (backUpAt !== undefined) metrics.set('entrepot_backup_due_timestamp_seconds', {}, backUpAt / 1_000);
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
