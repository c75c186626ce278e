import { METRICS } from '#core/metrics.js';

/** METRICS.md: the table of all metrics. */
export function describeMetrics(): string {
  const rows = Object.entries(METRICS).map(
    ([name, { type, labels, scope, help }]) => `| \`${name}\` | ${type} | ${labels.join(', ')} | ${scope} | ${help} |`,
  );
  return [
    '# Metrics',
    '',
    '`/metrics` of the web server, in the text format of Prometheus: for whoever asks on the machine itself, and elsewhere with an API key',
    'of the scope `metrics`. Made by `npm run docs`.',
    '',
    'Scope `process`: of the node that was asked, all processes of its hub together (`workers`), so add them up over all nodes. Scope `hub`:',
    'every node tells the same, so take the largest. A label has a few hundred values at most; what comes beyond is counted as `other`.',
    '',
    '| Name | Type | Labels | Scope | What it tells |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    'Beside them are the usual ones of a Node process (`process_…`, `nodejs_…`): memory, processor, event loop, open descriptors. Of a hub of',
    'several processes there are `process_cpu_seconds_total` and `process_resident_memory_bytes`, of all of them together, and, by the label',
    '`process`, `nodejs_eventloop_lag_p99_seconds`, `process_open_fds` and `process_max_fds` of each.',
    'A Grafana dashboard and alert rules made of them are in [`.deploy`](../.deploy/README.md).',
    '',
  ].join('\n');
}

if (process.argv[1]?.endsWith('describe-metrics.js')) process.stdout.write(describeMetrics());
