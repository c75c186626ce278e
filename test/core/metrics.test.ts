import test from 'ava';
import { METRICS, Metrics } from '#core/metrics.js';

test('names follow the conventions of Prometheus', t => {
  for (const [name, { type, help }] of Object.entries(METRICS)) {
    t.regex(name, /^entrepot_[a-z_]+$/);
    t.is(name.endsWith('_total'), type === 'counter', name);
    if (type === 'histogram') t.regex(name, /_seconds$/);
    t.false(help.endsWith('.') || help.includes('\n'), name);
  }
});

test('writes counters, gauges and histograms as Prometheus reads them, and every metric also without a value', t => {
  const metrics = new Metrics();
  metrics.count('entrepot_logins_total', { protocol: 'sftp', result: 'failed' });
  metrics.count('entrepot_logins_total', { result: 'failed', protocol: 'sftp' }, 2);
  metrics.count('entrepot_backups_total', { result: 'failed' }, 0);
  metrics.set('entrepot_bans_active', {}, 7);
  metrics.set('entrepot_bans_active', {}, 3);
  for (const seconds of [0.05, 0.3, 4_000]) metrics.observe('entrepot_delivery_duration_seconds', { kind: 'we"b\\hook\n' }, seconds);
  const text = metrics.render();
  t.regex(text, /^entrepot_logins_total\{protocol="sftp",result="failed"\} 3$/m);
  t.regex(text, /^entrepot_backups_total\{result="failed"\} 0$/m);
  t.regex(text, /^entrepot_bans_active 3$/m);
  const kind = 'kind="we\\"b\\\\hook\\n"';
  t.true(text.includes(`entrepot_delivery_duration_seconds_bucket{${kind},le="0.05"} 1\n`));
  t.true(text.includes(`entrepot_delivery_duration_seconds_bucket{${kind},le="0.5"} 2\n`));
  t.true(text.includes(`entrepot_delivery_duration_seconds_bucket{${kind},le="+Inf"} 3\n`));
  t.true(text.includes(`entrepot_delivery_duration_seconds_sum{${kind}} 4000.35\n`));
  t.true(text.includes(`entrepot_delivery_duration_seconds_count{${kind}} 3\n`));
  for (const name of Object.keys(METRICS)) t.true(text.includes(`# TYPE ${name} `), name);
});

test('adds up what several processes have counted', t => {
  const [one, other, all] = [new Metrics(), new Metrics(), new Metrics()];
  for (const metrics of [one, other, other]) {
    metrics.count('entrepot_events_total', { type: 'upload.completed' });
    metrics.observe('entrepot_event_publish_seconds', {}, 0.002);
  }
  for (const metrics of [one, other]) all.add(JSON.parse(JSON.stringify(metrics.snapshot())));
  t.regex(all.render(), /^entrepot_events_total\{type="upload\.completed"\} 3$/m);
  t.regex(all.render(), /^entrepot_event_publish_seconds_bucket\{le="0\.0025"\} 3$/m);
  t.regex(one.render(), /^entrepot_events_total\{type="upload\.completed"\} 1$/m);
});

test('holds no more values of labels than it may', t => {
  const metrics = new Metrics();
  for (let n = 0; n < 10_000; n++) metrics.count('entrepot_events_total', { type: `made.up.${n}` });
  t.is(metrics.snapshot().length, 501);
  t.regex(metrics.render(), /^entrepot_events_total\{type="other"\} 9500$/m);
});
