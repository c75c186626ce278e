import { stat } from 'node:fs/promises';
import { toHubError } from '../errors.js';
import { type CertificatePair, day, invalidity, type PairFiles, readPair } from './pair.js';

/** What an administrator is told of a certificate. */
export interface CertificateReport {
  /** The files. */
  readonly certificate: string;
  readonly key: string;
  /** DNS names that it is for; empty when it cannot be read. */
  readonly names: readonly string[];
  /** 'ec', 'rsa', … */
  readonly keyType: string | undefined;
  readonly issuer: string | undefined;
  readonly fingerprint: string | undefined;
  /** RFC 3339. */
  readonly notAfter: string | undefined;
  readonly result: 'ok' | 'warn' | 'fail';
  /** What is wrong, or until when it counts. */
  readonly detail: string;
}

const DAY_MS = 86_400_000;

/** Reads the files as they are now and judges them. Never throws. */
export async function examinePair(files: PairFiles, warnBeforeMs: number, now = Date.now()): Promise<CertificateReport> {
  try {
    const pair = await readPair(files);
    return {
      ...files,
      names: pair.names,
      keyType: pair.keyType,
      issuer: pair.issuer,
      fingerprint: pair.fingerprint,
      notAfter: pair.notAfter.toISOString(),
      ...(await judge(pair, warnBeforeMs, now)),
    };
  } catch (error) {
    const nothing = { names: [], keyType: undefined, issuer: undefined, fingerprint: undefined, notAfter: undefined };
    return { ...files, ...nothing, result: 'fail', detail: toHubError(error).message };
  }
}

async function judge(pair: CertificatePair, warnBeforeMs: number, now: number): Promise<Pick<CertificateReport, 'result' | 'detail'>> {
  const reason = invalidity(pair, now);
  if (reason !== undefined) return { result: 'fail', detail: reason };
  const { mode } = await stat(pair.files.key);
  if (mode & 0o007)
    return { result: 'warn', detail: `Everybody on this machine may read the key in ${pair.files.key}; chmod 600 keeps them out` };
  const leftMs = pair.notAfter.getTime() - now;
  const byItself = pair.subject === pair.issuer ? ', signed by itself: clients have to be told its fingerprint' : '';
  const until = `valid until ${day(pair.notAfter)}`;
  return leftMs <= warnBeforeMs
    ? { result: 'warn', detail: `${until}: ${Math.floor(leftMs / DAY_MS)} days left${byItself}` }
    : { result: 'ok', detail: `${until}${byItself}` };
}
