import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { makeSelfSigned } from '#core/tls/self-signed.js';
import { entrepot, startHub, temporaryFolder } from './cli.js';

interface Row {
  readonly names: readonly string[];
  readonly fingerprint: string;
  readonly result: string;
  readonly inUse?: boolean;
}

test.serial('a hub without certificates makes one, lists it, and takes a new one over while it runs', async t => {
  const cwd = await temporaryFolder(t);
  await startHub(t, cwd);
  const json = async <T>(...words: string[]): Promise<T> => {
    const ended = await entrepot([...words, '--json'], { cwd });
    t.is(ended.code, 0, ended.stderr);
    return JSON.parse(ended.stdout) as T;
  };
  const [first] = await json<Row[]>('cert', 'list');
  t.like(first, { result: 'ok', inUse: true });
  t.true(first!.names.includes('localhost'));
  const made = await json<Row>('cert', 'self-signed', 'files.example.com', '192.0.2.1');
  t.deepEqual(made.names, ['files.example.com']);
  t.not(made.fingerprint, first!.fingerprint);
  let [now] = await json<Row[]>('cert', 'list');
  while (!now!.inUse) [now] = await json<Row[]>('cert', 'list');
  t.is(now!.fingerprint, made.fingerprint);
  t.is((await entrepot(['cert', 'check'], { cwd })).code, 0);
  const doctor = JSON.parse((await entrepot(['doctor', '--json'], { cwd })).stdout) as { check: string; result: string }[];
  t.true(doctor.some(({ check, result }) => check === 'certificate files.example.com' && result === 'ok'));
  const wrong = await entrepot(['cert', 'self-signed', 'no name'], { cwd });
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /'no name' is no DNS name/);
});

test.serial('certificates are judged without a hub, in use or not', async t => {
  const cwd = await temporaryFolder(t);
  const day = (days: number) => new Date(Date.now() + days * 86_400_000);
  const make = (names: string[], days: number) => makeSelfSigned({ names, notBefore: day(-9), notAfter: day(days) });
  await mkdir(join(cwd, 'entrepot-data'), { mode: 0o700 });
  await writeFile(join(cwd, 'entrepot-data', 'soon.pem'), await make(['soon.example.com'], 5.5), { mode: 0o600 });
  await writeFile(join(cwd, 'entrepot-data', 'late.pem'), await make(['late.example.com'], -1), { mode: 0o600 });
  await writeFile(join(cwd, 'hub.yaml'), 'tls:\n  certificates:\n    - certificate: soon.pem\n    - certificate: late.pem\n');
  const checked = await entrepot(['cert', 'check', '--config', 'hub.yaml'], { cwd });
  t.is(checked.code, 1);
  t.regex(checked.stdout, /^soon\.example\.com +ec +- +warn +valid until \S+: 5 days left/m);
  t.regex(checked.stdout, /^late\.example\.com +ec +- +fail +The certificate in \S+ expired on/m);
  const doctor = await entrepot(['doctor', '--config', 'hub.yaml'], { cwd });
  t.is(doctor.code, 1);
  t.regex(doctor.stdout, /^certificate soon\.example\.com +warn/m);
  t.regex(doctor.stdout, /^certificate late\.example\.com +fail/m);
  const made = await entrepot(['cert', 'self-signed', '--config', 'hub.yaml'], { cwd });
  t.regex(made.stdout, /shown those of `tls\.certificates` instead/);

  await writeFile(join(cwd, 'new.pem'), await make(['new.example.com'], 400));
  t.is((await entrepot(['cert', 'check', 'new.pem'], { cwd })).code, 0);
  await writeFile(join(cwd, 'other.pem'), await make(['new.example.com'], 400));
  const mixed = await entrepot(['cert', 'check', 'new.pem', 'other.pem'], { cwd });
  t.is(mixed.code, 1);
  t.regex(mixed.stdout, /is not the one of the certificate/);
  const empty = await temporaryFolder(t);
  await mkdir(join(empty, 'entrepot-data'), { mode: 0o700 });
  t.regex((await entrepot(['cert', 'list'], { cwd: empty })).stdout, /no certificate yet/);
});
