import 'reflect-metadata';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parse } from 'yaml';
import { z } from 'zod';
import { addressWithin } from '#core/api.js';
import { protocolsOf } from '#core/cli/shipped-types.js';
import { configSchema } from '#core/config/schema.js';
import { optionsOf, variableName } from '#core/config/shape.js';
import { bundled } from '#extensions/bundled.js';
import { run } from '../support/children.js';
import { MAIN, REPOSITORY } from '../support/hub-process.js';
import { Lacking, tool } from '../support/tools.js';
import { startWeb } from '../web/support.js';

const DEPLOY = join(REPOSITORY, '.deploy');

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly profiles?: readonly string[];
  readonly user?: string;
  readonly read_only?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly depends_on?: Readonly<Record<string, unknown>>;
}

interface Pool {
  readonly subnet: string;
  readonly ip_range?: string;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly ipam?: { readonly config: readonly Pool[] } }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const compose = parse(readFileSync(join(REPOSITORY, 'compose.yaml'), 'utf8'), { merge: true }) as Compose;

/** The environment variables that there are: of the core, of protocols, of extensions. */
function knownVariables(): ReadonlySet<string> {
  const names = [...optionsOf(configSchema)].map(([path]) => variableName(path));
  for (const extension of bundled) {
    if (extension.options)
      names.push(...[...optionsOf(extension.options, ['extensions', extension.name])].map(([path]) => variableName(path)));
    const options = extension.options?.parse({});
    for (const type of protocolsOf(extension, options, '/nowhere'))
      names.push(...[...optionsOf(type.options, ['protocols', type.name])].map(([path]) => variableName(path)));
  }
  return new Set(['ENTREPOT_DATA_DIR', 'ENTREPOT_CONFIG', ...names, ...names.map(name => `${name}_FILE`)]);
}

test('every variable that they set, or that the documents name, is an option', t => {
  const known = knownVariables();
  const texts = ['compose.yaml', 'Dockerfile', 'README.md', ...readdirSync(DEPLOY).map(name => join('.deploy', name))];
  let count = 0;
  for (const file of texts) {
    for (const [name] of readFileSync(join(REPOSITORY, file), 'utf8').matchAll(/\bENTREPOT_[A-Z0-9_]+/g)) {
      if (name === 'ENTREPOT_USER' || name === 'ENTREPOT_PATH') continue;
      count++;
      if (!known.has(name)) t.fail(`${file}: ${name}`);
    }
  }
  t.true(count > 15);
});

test('compose.yaml names services, networks, volumes and files that there are', t => {
  const { services, networks, volumes } = compose;
  for (const [name, service] of Object.entries(services)) {
    t.regex(service.image ?? '', /^(entrepot|[a-z]+:\d[\w.-]+)$/, name);
    if (service.build !== undefined) t.true(existsSync(join(REPOSITORY, service.build, 'Dockerfile')));
    for (const other of Object.keys(service.depends_on ?? {})) {
      t.true(other in services, `${name}: ${other}`);
      t.deepEqual(services[other]!.profiles, service.profiles, `${name} and ${other} start together`);
    }
    const used = Array.isArray(service.networks) ? service.networks : Object.keys(service.networks ?? {});
    for (const network of used) t.true(network in networks, `${name}: ${network}`);
    for (const volume of service.volumes ?? []) {
      const [source] = volume.split(':') as [string];
      t.true(source.startsWith('.') ? existsSync(join(REPOSITORY, source)) : source in volumes, `${name}: ${volume}`);
    }
  }
  t.deepEqual(
    Object.keys(services).filter(name => services[name]!.profiles === undefined),
    ['hub'],
  );
  for (const hub of ['hub', 'hub-1', 'hub-2']) {
    t.true(services[hub]!.read_only, hub);
    t.is(services[hub]!.user, undefined, 'the account is that of the image');
  }
});

test('the hubs of compose.yaml are configured so that they would start', async t => {
  const given: Readonly<Record<string, string>> = {
    DATABASE_PASSWORD: 'secret',
    SECRETS_KEY: Buffer.alloc(32, 1).toString('base64'),
    PUBLIC_ADDRESS: '192.0.2.1',
  };
  for (const name of ['hub', 'hub-1', 'hub-2']) {
    const settings = Object.entries(compose.services[name]!.environment!);
    const filled = settings.map(([key, value]) => [key, value.replaceAll(/\$\{(\w+)[^}]*\}/g, (_, variable: string) => given[variable]!)]);
    const { code, output } = await run(process.execPath, [MAIN, 'config', 'check'], {
      env: { PATH: process.env.PATH, ...Object.fromEntries(filled) },
    });
    t.is(code, 0, `${name}: ${output}`);
  }
});

test('the nodes of the cluster have passive ports of their own, which the balancer passes to them', t => {
  const haproxy = readFileSync(join(DEPLOY, 'haproxy.cfg'), 'utf8');
  const ranges = ['hub-1', 'hub-2'].map(name => compose.services[name]!.environment!.ENTREPOT_PROTOCOLS__FTP__PASSIVE__PORTS!);
  t.not(ranges[0], ranges[1]);
  for (const [index, range] of ranges.entries()) {
    const name = `hub-${index + 1}`;
    t.regex(haproxy, new RegExp(`bind :${range}\\n +server ${name} ${name}\\n`));
  }
});

test('the hubs trust the address of the balancer, and no other container can be given it', t => {
  const fixed: (readonly [service: string, network: string, address: string])[] = [];
  for (const [name, { networks = {} }] of Object.entries(compose.services))
    for (const [network, settings] of Object.entries(networks as Readonly<Record<string, { readonly ipv4_address?: string } | null>>))
      if (settings?.ipv4_address !== undefined) fixed.push([name, network, settings.ipv4_address]);
  t.deepEqual(
    fixed.map(([name]) => name),
    ['balancer'],
  );
  for (const [name, network, address] of fixed) {
    const [pool] = compose.networks[network]!.ipam!.config;
    t.true(addressWithin(address, [pool!.subnet]), name);
    t.truthy(pool!.ip_range, name);
    t.false(addressWithin(address, [pool!.ip_range!]), `${name}: the engine gives this address to whoever starts first`);
    t.true(addressWithin(pool!.ip_range!.split('/')[0]!, [pool!.subnet]), name);
  }
  for (const hub of ['hub-1', 'hub-2'])
    t.is(compose.services[hub]!.environment!.ENTREPOT_PROXY_PROTOCOL__TRUSTED, JSON.stringify([fixed[0]![2]]));
});

test('the image is built of files that there are, and runs as nobody special', t => {
  const text = readFileSync(join(REPOSITORY, 'Dockerfile'), 'utf8');
  for (const [, sources] of text.matchAll(/^COPY (?!--from)(.+) \S+$/gm))
    for (const source of sources!.split(' ')) t.true(existsSync(join(REPOSITORY, source)), source);
  t.regex(text, /^USER 1000:1000$/m);
  t.regex(text, /^ARG NODE=\d+\.\d+\.\d+$/m);
  for (const [, base] of text.matchAll(/^FROM (\S+)/gm)) t.regex(base!, /^node:\$\{NODE\}-bookworm(-slim)?$/);
  t.regex(text, /^HEALTHCHECK .*CMD \["node", "dist\/core\/main\.js", "status"\]$/m);
  const ignored = readFileSync(join(REPOSITORY, '.dockerignore'), 'utf8').split('\n');
  for (const name of ['node_modules', 'dist', 'entrepot-data', '.git']) t.true(ignored.includes(name), name);
  const { files } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as { files: readonly string[] };
  for (const file of files.filter(name => /^(LICENSE|NOTICE)/.test(name))) t.true(text.includes(file), file);
});

test('every metric of the dashboard and of the alerts is one that /metrics tells', async t => {
  const hub = await startWeb(t);
  const told = await (await fetch(`${hub.base}/metrics`)).text();
  const known = new Set(['up', ...[...told.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!)]);
  const dashboard = JSON.parse(readFileSync(join(DEPLOY, 'grafana-dashboard.json'), 'utf8')) as {
    panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
  };
  const alerts = parse(readFileSync(join(DEPLOY, 'alerts.yaml'), 'utf8')) as {
    groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
  };
  const expressions = [
    ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
    ...alerts.groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [alert, expr] as const)),
  ];
  t.true(expressions.length > 35);
  for (const [where, expression] of expressions) {
    const names = namesIn(expression);
    t.true(names.length > 0, where);
    for (const name of names) t.true(known.has(name.replace(/_bucket$/, '')), `${where}: ${name}`);
  }
});

/** What of a PromQL expression names a series. */
function namesIn(expression: string): readonly string[] {
  const bare = expression.replaceAll(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"|\b(by|without) \([^)]*\)/g, ' ');
  return [...bare.matchAll(/\b(up|entrepot_\w+|nodejs_\w+|process_\w+)\b/g)].map(([name]) => name);
}

test('links of the documents lead somewhere', t => {
  for (const file of ['.deploy/README.md', 'README.md', 'web/METRICS.md', 'core/backup/README.md']) {
    for (const [, target] of readFileSync(join(REPOSITORY, file), 'utf8').matchAll(/\]\((?!https?:)([^)#]+)\)/g))
      t.true(existsSync(normalize(join(REPOSITORY, file, '..', target!))), `${file}: ${target}`);
  }
});

testWith('systemd-analyze', 'systemd takes the unit, and finds it well guarded', async (t, analyze) => {
  const unit = join(DEPLOY, 'entrepot.service');
  const { code, output } = await run(analyze, ['security', '--offline=true', '--threshold=20', unit]);
  t.is(code, 0, output);
  const text = readFileSync(unit, 'utf8');
  const grace = configSchema.parse({}).shutdown;
  const seconds = Number(/^TimeoutStopSec=(\d+)s$/m.exec(text)?.[1]);
  t.true(seconds * 1_000 > grace.grace + grace.readinessDelay);
});

testWith('promtool', 'promtool takes the alert rules', async (t, promtool) => {
  const { code, output } = await run(promtool, ['check', 'rules', join(DEPLOY, 'alerts.yaml')]);
  t.is(code, 0, output);
});

test('the alert rules are what Prometheus takes, as far as that can be told without promtool', t => {
  const duration = z.string().regex(/^\d+[smhd]$/);
  const rule = z.strictObject({
    alert: z.string().regex(/^Entrepot[A-Z]\w+$/),
    expr: z.string().min(1),
    for: duration.optional(),
    labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
    annotations: z.strictObject({ summary: z.string().min(1), description: z.string().min(1).optional() }),
  });
  const groups = z.strictObject({ groups: z.array(z.strictObject({ name: z.string(), rules: z.array(rule).min(1) })).min(1) });
  const { data, error } = groups.safeParse(parse(readFileSync(join(DEPLOY, 'alerts.yaml'), 'utf8')));
  t.falsy(error, error?.message);
  const rules = data!.groups.flatMap(group => group.rules);
  t.is(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, expr, annotations } of rules) {
    for (const [open, close] of ['()', '{}', '[]']) t.is(expr.split(open!).length, expr.split(close!).length, `${alert}: ${open}${close}`);
    for (const [range] of expr.matchAll(/\[[^\]]*\]/g)) t.regex(range, /^\[\d+[smhd]\]$/, alert);
    // Aggregated expressions keep the labels alone by which they are aggregated.
    const kept = /\b(?:sum|max|min)(?: by \(([\w, ]*)\))? ?\(/.exec(expr);
    for (const [, label] of Object.values(annotations)
      .join(' ')
      .matchAll(/\{\{ \$labels\.(\w+) \}\}/g))
      t.true(!kept || (kept[1] ?? '').split(', ').includes(label!), `${alert}: ${label}`);
  }
});

/** A test that is left out, and said to be, where its program is not installed. */
function testWith(name: string, title: string, body: (t: ExecutionContext, program: string) => Promise<void>): void {
  test(title, async t => {
    let program: string;
    try {
      program = tool(name);
    } catch (error) {
      if (!(error instanceof Lacking)) throw error;
      t.log(`left out: ${error.message}`);
      return t.pass();
    }
    return body(t, program);
  });
}
