import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { ConfigError } from '#core/config/config-error.js';
import { type ConfigInput, ConfigSources } from '#core/config/load.js';
import { configSchema } from '#core/config/schema.js';
import { duration } from '#core/config/units.js';

const sftp = z.strictObject({
  port: z.int().min(0).max(65_535).default(2022),
  host: z.string().default('0.0.0.0'),
  banner: z.string().optional(),
  ciphers: z.array(z.string()).default([]),
  greeting: z.boolean().default(false),
  keepAlive: duration('30s'),
  passphrase: z.string().optional().meta({ secret: true }),
  mode: z.enum(['fast', 'safe']).default('safe'),
  limit: z.union([z.int(), z.literal('auto')]).default('auto'),
});

async function file(t: ExecutionContext, text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'entrepot-config-'));
  t.teardown(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, 'file.yaml'), text);
  return join(directory, 'file.yaml');
}

async function problems(input: Partial<ConfigInput>, parse: (sources: ConfigSources) => unknown): Promise<readonly string[]> {
  try {
    parse(await ConfigSources.read({ env: {}, ...input }));
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const all = (sources: ConfigSources) => [sources.parse([], configSchema), sources.parse(['protocols', 'sftp'], sftp), sources.finish()];

test('has a default for every option of the core', async t => {
  const sources = await ConfigSources.read({ env: {} });
  const config = sources.parse([], configSchema);
  sources.finish();
  t.is(config.limits.idle, 900_000);
  t.is(config.events.retry[0], 5_000);
});

test('takes the file before the default and the environment before the file', async t => {
  const path = await file(t, 'limits: { sessions: 7, idle: 1m }\nprotocols:\n  sftp: { port: 1, mode: fast, keepAlive: 5s }\n');
  const env = {
    ENTREPOT_PROTOCOLS__SFTP__PORT: '2',
    ENTREPOT_LIMITS__IDLE: '2m',
    HOME: '/x',
    ENTREPOT_DATA_DIR: '/y',
    ENTREPOT_CONFIG: 'z',
  };
  const sources = await ConfigSources.read({ file: path, env });
  const config = sources.parse([], configSchema);
  const section = sources.parse(['protocols', 'sftp'], sftp);
  sources.finish();
  t.is(config.limits.sessions, 7);
  t.is(config.limits.idle, 120_000);
  t.like(section, { port: 2, mode: 'fast', keepAlive: 5_000, host: '0.0.0.0' });
});

test('finds the option of a variable whatever its case and underscores', async t => {
  for (const name of ['ENTREPOT_LIMITS__SESSIONSPERUSER', 'ENTREPOT_LIMITS__SESSIONS_PER_USER', 'ENTREPOT_limits__sessionsPerUser']) {
    const sources = await ConfigSources.read({ env: { [name]: '3' } });
    t.is(sources.parse([], configSchema).limits.sessionsPerUser, 3);
    sources.finish();
  }
});

test('reads a variable by the type of its option', async t => {
  const env = {
    ENTREPOT_PROTOCOLS__SFTP__BANNER: '123',
    ENTREPOT_PROTOCOLS__SFTP__CIPHERS: '["a","b"]',
    ENTREPOT_PROTOCOLS__SFTP__GREETING: 'true',
    ENTREPOT_PROTOCOLS__SFTP__LIMIT: '5',
    ENTREPOT_OUTBOUND__ALLOW: '["127.0.0.0/8"]',
  };
  const sources = await ConfigSources.read({ env });
  t.deepEqual(sources.parse([], configSchema).outbound.allow, ['127.0.0.0/8']);
  t.like(sources.parse(['protocols', 'sftp'], sftp), { banner: '123', greeting: true, limit: 5 });
  sources.finish();
  const auto = await ConfigSources.read({ env: { ENTREPOT_PROTOCOLS__SFTP__LIMIT: 'auto' } });
  t.is(auto.parse(['protocols', 'sftp'], sftp).limit, 'auto');
});

test('reads the value of a …_FILE variable from that file, without its last newline', async t => {
  const path = await file(t, 'two words\n');
  const sources = await ConfigSources.read({ env: { ENTREPOT_PROTOCOLS__SFTP__PASSPHRASE_FILE: path } });
  t.is(sources.parse(['protocols', 'sftp'], sftp).passphrase, 'two words');
  sources.finish();
  const missing = await problems({ env: { ENTREPOT_PROTOCOLS__SFTP__BANNER_FILE: '/does/not/exist' } }, all);
  t.deepEqual(missing, ['ENTREPOT_PROTOCOLS__SFTP__BANNER_FILE: the file "/does/not/exist" cannot be read (ENOENT)']);
});

test('refuses an option that a variable and a …_FILE variable both set', async t => {
  const path = await file(t, 'a');
  const env = { ENTREPOT_PROTOCOLS__SFTP__BANNER: 'b', ENTREPOT_PROTOCOLS__SFTP__BANNER_FILE: path };
  t.regex((await problems({ env }, all)).join(), /'protocols\.sftp\.banner' is set by ENTREPOT_PROTOCOLS__SFTP__BANNER as well/);
});

test('names the file, the option, what was expected and what was found', async t => {
  const path = await file(t, 'protocols:\n  sftp: { port: abc, host: 5, mode: fsat, keepAlive: 30, ciphers: x }\n');
  t.deepEqual(await problems({ file: path }, all), [
    `${path}: protocols.sftp.port: expected a number between 0 and 65535, got "abc"`,
    `${path}: protocols.sftp.host: expected a text, got 5`,
    `${path}: protocols.sftp.ciphers: expected a list, each entry a text, got "x"`,
    `${path}: protocols.sftp.keepAlive: expected a duration with its unit, such as '30s', '15m' or '24h', got 30`,
    `${path}: protocols.sftp.mode: expected one of 'fast', 'safe', got "fsat"`,
  ]);
});

test('names the variable when that is where the wrong value comes from', async t => {
  const env = { ENTREPOT_PROTOCOLS__SFTP__PORT: '70000', ENTREPOT_OUTBOUND__ALLOW: '127.0.0.1' };
  t.deepEqual(await problems({ env }, sources => sources.parse(['protocols', 'sftp'], sftp)), [
    'ENTREPOT_PROTOCOLS__SFTP__PORT: protocols.sftp.port: expected a number between 0 and 65535, got 70000',
  ]);
  t.deepEqual(await problems({ env }, sources => sources.parse([], configSchema)), [
    'ENTREPOT_OUTBOUND__ALLOW: expected a list in JSON, such as ["a","b"]',
  ]);
});

test('tells what is wrong in the file although a variable replaces it', async t => {
  const path = await file(t, 'protocols:\n  sftp: { port: abc }\n');
  const env = { ENTREPOT_PROTOCOLS__SFTP__PORT: '0' };
  t.deepEqual(await problems({ file: path, env }, all), [`${path}: protocols.sftp.port: expected a number between 0 and 65535, got "abc"`]);
});

test('asks for the unit of a duration', async t => {
  t.deepEqual(await problems({ values: { limits: { idle: '30' } } }, all), [
    "configuration: limits.idle: expected a duration with its unit, such as '30s', '15m' or '24h', got \"30\"",
  ]);
});

test('never shows the value of a secret', async t => {
  const found = await problems({ env: { ENTREPOT_SECRETS__KEY: 'c2hvcnQ=' } }, all);
  t.deepEqual(found, ['ENTREPOT_SECRETS__KEY: secrets.key: expected 32 bytes in base64']);
});

test('offers the nearest name for an option that does not exist', async t => {
  t.deepEqual(await problems({ values: { limits: { sesions: 4 } } }, all), [
    "configuration: limits.sesions: no such option, did you mean 'sessions'?",
  ]);
  t.deepEqual(await problems({ values: { protocol: {} } }, all), ["configuration: protocol: no such option, did you mean 'protocols'?"]);
  t.deepEqual(await problems({ values: { protocols: { stfp: {} } } }, all), [
    "configuration: protocols.stfp: no such protocol, did you mean 'sftp'?",
  ]);
  t.deepEqual(await problems({ values: { xylophone: 1 } }, all), ['configuration: xylophone: no such option']);
});

test('offers the nearest name for a variable that does not exist', async t => {
  t.deepEqual(await problems({ env: { ENTREPOT_PROTOCOLS__SFTP__PROT: '1' } }, all), [
    "ENTREPOT_PROTOCOLS__SFTP__PROT: no such option, did you mean 'ENTREPOT_PROTOCOLS__SFTP__PORT'?",
  ]);
  t.regex((await problems({ env: { ENTREPOT_LOG_LEVEL: 'debug' } }, all)).join(), /did you mean 'ENTREPOT_LOG__LEVEL'/);
  t.regex((await problems({ env: { ENTREPOT_DATADIR: '/x' } }, all)).join(), /did you mean 'ENTREPOT_DATA_DIR'/);
});

test('tells line and column of a file that is not YAML', async t => {
  const path = await file(t, 'limits:\n  idle: [1m\nlog: x\n');
  const found = await problems({ file: path }, all);
  t.true(found[0]!.startsWith(`${path}:3:1: not valid YAML`), found.join('\n'));
});

test('refuses a file that is missing, and one that is a list', async t => {
  t.deepEqual(await problems({ file: '/does/not/exist.yaml' }, all), ['/does/not/exist.yaml: no such file']);
  const path = await file(t, '- a\n');
  t.deepEqual(await problems({ file: path }, all), [`${path}: expected a mapping of names to values at the top`]);
});

test('lets an extension be named by the file and by a variable', async t => {
  const schema = z.strictObject({ size: z.int().default(1), deep: z.strictObject({ flag: z.boolean().default(false) }).prefault({}) });
  const sources = await ConfigSources.read({
    values: { extensions: { './mine': { size: 2 }, empty: null } },
    env: { ENTREPOT_EXTENSIONS: '{"@scope/theirs":{"size":3}}', ENTREPOT_EXTENSIONS__SCOPE_THEIRS__DEEP__FLAG: '1' },
  });
  t.deepEqual(sources.keys(['extensions']), ['./mine', 'empty', '@scope/theirs']);
  t.is(sources.parse(['extensions', './mine'], schema).size, 2);
  t.is(sources.parse(['extensions', 'empty'], schema).size, 1);
  t.deepEqual(sources.parse(['extensions', '@scope/theirs'], schema), { size: 3, deep: { flag: true } });
  sources.finish();
});

test('complains about an extension that a variable names and nobody took', async t => {
  const found = await problems({ env: { ENTREPOT_EXTENSIONS: '{"scirpt":{}}' } }, sources => {
    sources.parse(['extensions', 'script'], z.strictObject({}));
    sources.finish();
  });
  t.deepEqual(found, ["ENTREPOT_EXTENSIONS: extensions.scirpt: no such extension, did you mean 'script'?"]);
});

test('tells where each value comes from, with secrets hidden', async t => {
  const path = await file(t, 'protocols:\n  sftp: { host: 127.0.0.1, passphrase: very secret }\n');
  const sources = await ConfigSources.read({ file: path, env: { ENTREPOT_PROTOCOLS__SFTP__PORT: '0' } });
  sources.parse(['protocols', 'sftp'], sftp);
  const rows = Object.fromEntries(sources.sources().map(row => [row.path, row]));
  t.like(rows['protocols.sftp.host'], { path: 'protocols.sftp.host', value: '127.0.0.1', source: path });
  t.like(rows['protocols.sftp.port'], { path: 'protocols.sftp.port', value: 0, source: 'ENTREPOT_PROTOCOLS__SFTP__PORT' });
  t.like(rows['protocols.sftp.keepAlive'], { path: 'protocols.sftp.keepAlive', value: '30s', source: 'default' });
  t.like(rows['protocols.sftp.passphrase'], { path: 'protocols.sftp.passphrase', value: '(hidden)', source: path });
});

test('ranges that programs read differently are no ranges', async t => {
  const found = await problems({ values: { outbound: { allow: ['010.0.0.0/8', '10.1/16', '::ffff:127.0.0.1/104', '10.0.0.0/33'] } } }, all);
  t.is(found.length, 3);
  t.regex(found[0]!, /outbound\.allow\.0: expected an address or a range.*got "010\.0\.0\.0\/8"/);
  t.regex(found[1]!, /outbound\.allow\.1: .*10\.1\/16/);
  t.regex(found[2]!, /outbound\.allow\.3: /);
});

test('suggests options only, and only what is near', async t => {
  const told = async (name: string) => (await problems({ env: { [`ENTREPOT_${name}`]: 'x' } }, all)).join();
  t.is(await told('PORT'), "ENTREPOT_PORT: no such option, did you mean 'ENTREPOT_PROTOCOLS__SFTP__PORT'?");
  t.is(await told('LIMITS__SESSION'), "ENTREPOT_LIMITS__SESSION: no such option, did you mean 'ENTREPOT_LIMITS__SESSIONS'?");
  t.is(await told('DATADIRS'), "ENTREPOT_DATADIRS: no such option, did you mean 'ENTREPOT_DATA_DIR'?");
  t.is(await told('PATHS'), 'ENTREPOT_PATHS: no such option');
  const [foo] = await problems({ values: { foo: 1 } }, all);
  t.regex(foo!, /foo: no such option$/);
});
