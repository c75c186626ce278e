import { z } from 'zod';
import { type CertificateReport, examinePair } from '../tls/examine.js';
import { ownNames, selfSignedFile, writeSelfSigned } from '../tls/self-signed.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';

/** A certificate, and whether it is the one that clients are shown now. */
export interface CertificateRow extends CertificateReport {
  readonly inUse: boolean;
}

/** What administrators do with the certificates of TLS listeners. */
export const certificateOperations = {
  /** The files as they are now, also those that are broken; empty when none is configured and the hub has not made its own yet. */
  'certificates.list': operation(z.strictObject({}), async services => list(services)),

  /** Makes a new certificate that the hub signs itself, in place of the last one. Shown to clients when none is configured. */
  'certificates.selfSigned': operation(z.strictObject({ names: z.array(z.string()).default([]) }), async (services, { names }) => {
    const file = selfSignedFile(services.dataDirectory);
    await writeSelfSigned(file, names.length > 0 ? names : ownNames());
    const report = await examinePair({ certificate: file, key: file }, services.config.tls.warnBefore);
    return { ...report, isUsed: services.certificates.isSelfSigned };
  }),
};

async function list({ certificates, config }: OperationServices): Promise<readonly CertificateRow[]> {
  const shown = new Set(certificates.list().map(({ fingerprint }) => fingerprint));
  const reports = await Promise.all((await certificates.existing()).map(files => examinePair(files, config.tls.warnBefore)));
  return reports.map(report => ({ ...report, inUse: report.fingerprint !== undefined && shown.has(report.fingerprint) }));
}
