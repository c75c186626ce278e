type MetricType = 'counter' | 'gauge' | 'histogram';

/** What a metric is, for those who read it and for the documents. */
export interface MetricDefinition {
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
  /** 'process': of the process that is asked, to be added up. 'hub': the same from every node, so take the largest. */
  readonly scope: 'process' | 'hub';
  /** Upper bounds of a histogram, in seconds. */
  readonly buckets?: readonly number[];
}

const FAST = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const SLOW = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];

/** Every metric of the hub by its name in Prometheus. */
export const METRICS = {
  entrepot_build_info: gauge('Always 1', ['version'], 'process'),
  entrepot_sessions_active: gauge('Sessions of users that are open', ['protocol'], 'hub'),
  entrepot_transfers_active: gauge('Files that are open', ['protocol', 'direction'], 'hub'),
  entrepot_logins_total: counter('Logins', ['protocol', 'result']),
  entrepot_transfers_total: counter('Transfers that have ended', ['protocol', 'direction', 'result']),
  entrepot_transfer_bytes_total: counter('Bytes of transfers that have ended', ['protocol', 'direction', 'result']),
  entrepot_transfer_duration_seconds: histogram('How long transfers took that were completed', ['protocol', 'direction'], SLOW),
  entrepot_storage_errors_total: counter('Transfers that a storage made fail', ['storage', 'code']),
  entrepot_events_total: counter('Events', ['type']),
  entrepot_event_publish_seconds: histogram('How long it took until an event was recorded', [], FAST),
  entrepot_deliveries: gauge('Deliveries that are not done, and dead ones', ['kind', 'state'], 'hub'),
  entrepot_deliveries_due: gauge('Deliveries that could be made now and wait for their turn', [], 'hub'),
  entrepot_deliveries_oldest_due_seconds: gauge('How long the oldest of them has waited', [], 'hub'),
  entrepot_delivery_attempts_total: counter('Tries of deliveries', ['kind', 'result']),
  entrepot_delivery_duration_seconds: histogram('How long tries of deliveries took', ['kind'], SLOW),
  entrepot_bans_active: gauge('Addresses and users that are turned away', [], 'hub'),
  entrepot_database_up: gauge('Whether the database answers', [], 'process'),
  entrepot_database_probe_seconds: gauge('How long the database took to answer just now', [], 'process'),
  entrepot_redis_up: gauge('Whether Redis serves, where there is one', [], 'process'),
  entrepot_database_retries_total: counter('Transactions that were made again, because others were in their way', []),
  entrepot_certificate_not_after_timestamp_seconds: gauge('When a certificate ends, in seconds since 1970', ['certificate'], 'process'),
  entrepot_backups_total: counter('Backups', ['result']),
  entrepot_backup_last_success_timestamp_seconds: gauge(
    'When the last backup was made, in seconds since 1970; missing before the first',
    [],
    'hub',
  ),
  entrepot_backup_due_timestamp_seconds: gauge(
    'When the next backup is to be made by the clock, in seconds since 1970; missing where backup.every is off',
    [],
    'hub',
  ),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;

/** Values of labels by their names. */
export type Labels = Readonly<Record<string, string>>;

/** What was counted so far, as plain data that another process can add to its own. */
export type MetricsSnapshot = readonly (readonly [name: MetricName, labels: readonly string[], values: readonly number[]])[];

/** Sets of labels that one metric may have: names of others, such as types of events, must not fill the memory. */
const MAX_SERIES = 500;
const OTHER = 'other';

interface Series {
  readonly labels: readonly string[];
  /** The value; of a histogram the counts up to each bound, then the count and the sum of all. */
  readonly values: number[];
}

/** The figures of one hub in this process. Counting costs one look into a map. */
export class Metrics {
  readonly #series = new Map<MetricName, Map<string, Series>>();

  /** Adds to a counter; with 0 it is shown before anything happened. */
  count(name: MetricName, labels: Labels = {}, by = 1): void {
    this.#of(name, valuesOf(name, labels)).values[0]! += by;
  }

  /** Sets a gauge. */
  set(name: MetricName, labels: Labels, value: number): void {
    this.#of(name, valuesOf(name, labels)).values[0] = value;
  }

  /** Adds a time to a histogram. */
  observe(name: MetricName, labels: Labels, seconds: number): void {
    const { buckets = [] }: MetricDefinition = METRICS[name];
    const { values } = this.#of(name, valuesOf(name, labels));
    const first = buckets.findIndex(bound => seconds <= bound);
    for (let index = first < 0 ? buckets.length : first; index < buckets.length; index++) values[index]!++;
    values[buckets.length]!++;
    values[buckets.length + 1]! += seconds;
  }

  /** What was counted so far. */
  snapshot(): MetricsSnapshot {
    return [...this.#series].flatMap(([name, series]) =>
      [...series.values()].map(({ labels, values }) => [name, labels, [...values]] as const),
    );
  }

  /** Adds what another process has counted. */
  add(snapshot: MetricsSnapshot): void {
    for (const [name, labels, values] of snapshot) {
      const own = this.#of(name, labels).values;
      values.forEach((value, index) => {
        own[index]! += value;
      });
    }
  }

  /** The text that Prometheus reads (exposition format 0.0.4): every metric, also those without a value yet. */
  render(): string {
    return Object.keys(METRICS)
      .map(name => renderMetric(name as MetricName, [...(this.#series.get(name as MetricName)?.values() ?? [])]))
      .join('');
  }

  #of(name: MetricName, labels: readonly string[]): Series {
    let series = this.#series.get(name);
    if (!series) {
      series = new Map();
      this.#series.set(name, series);
    }
    const known = series.get(labels.join('\0'));
    if (known) return known;
    const kept = series.size < MAX_SERIES ? labels : labels.map(() => OTHER);
    const key = kept.join('\0');
    const made = series.get(key) ?? { labels: kept, values: zeros(name) };
    series.set(key, made);
    return made;
  }
}

function valuesOf(name: MetricName, labels: Labels): readonly string[] {
  return METRICS[name].labels.map(label => labels[label] ?? '');
}

function zeros(name: MetricName): number[] {
  const { type, buckets = [] }: MetricDefinition = METRICS[name];
  return Array.from({ length: type === 'histogram' ? buckets.length + 2 : 1 }, () => 0);
}

function renderMetric(name: MetricName, series: readonly Series[]): string {
  const definition: MetricDefinition = METRICS[name];
  const head = `# HELP ${name} ${definition.help}\n# TYPE ${name} ${definition.type}\n`;
  return head + series.map(one => renderSeries(name, definition, one)).join('');
}

function renderSeries(name: string, { labels: names, type, buckets = [] }: MetricDefinition, { labels, values }: Series): string {
  const pairs = names.map((label, index) => `${label}="${escaped(labels[index]!)}"`);
  const line = (suffix: string, more: readonly string[], value: number) => {
    const all = [...pairs, ...more];
    return `${name}${suffix}${all.length > 0 ? `{${all.join(',')}}` : ''} ${value}\n`;
  };
  if (type !== 'histogram') return line('', [], values[0]!);
  const count = values[buckets.length]!;
  return [
    ...buckets.map((bound, index) => line('_bucket', [`le="${bound}"`], values[index]!)),
    line('_bucket', ['le="+Inf"'], count),
    line('_sum', [], values[buckets.length + 1]!),
    line('_count', [], count),
  ].join('');
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

function counter(help: string, labels: readonly string[]): MetricDefinition {
  return { type: 'counter', help, labels, scope: 'process' };
}

function gauge(help: string, labels: readonly string[], scope: MetricDefinition['scope']): MetricDefinition {
  return { type: 'gauge', help, labels, scope };
}

function histogram(help: string, labels: readonly string[], buckets: readonly number[]): MetricDefinition {
  return { type: 'histogram', help, labels, buckets, scope: 'process' };
}
