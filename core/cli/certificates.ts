import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { CertificateReport } from '../tls/examine.js';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import type { Output } from './output.js';

/** Adds `entrepot cert …`. */
export function addCertificateCommands(program: Command, context: CliContext): void {
  const group = program.command('cert').description('See, check and make the certificates of TLS listeners');

  withExamples(group.command('list').description('List certificates, and until when they are valid'), [
    ['All of them', 'cert list'],
  ]).action(async (_options, self: Command) => {
    const { global, output } = surroundings(self, context);
    show(output, await withHub(context, global, hub => hub.call('certificates.list', {})));
  });

  withExamples(
    group
      .command('self-signed [names...]')
      .description('Make a new certificate that the hub signs itself, for these names, or those of this machine'),
    [['For a name that clients use', 'cert self-signed files.example.com']],
  ).action(async (names: string[], _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(
      await withHub(context, global, hub => hub.call('certificates.selfSigned', { names }), { creates: true }),
      ({ names: made, fingerprint, certificate, isUsed, detail }) =>
        [
          `Made a certificate for ${made.join(', ')}, ${detail}: ${certificate}`,
          `SHA-256 ${fingerprint}`,
          ...(isUsed ? [] : ['Clients are shown those of `tls.certificates` instead.']),
        ].join('\n'),
    );
  });

  withExamples(
    group
      .command('check [certificate] [key]')
      .description('Check the certificates in use, or files before they are put in their place; exit 1 when something is wrong'),
    [
      ['Those in use', 'cert check'],
      ['Files before they are used', 'cert check fullchain.pem privkey.pem'],
    ],
  ).action(async (certificate: string | undefined, key: string | undefined, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const rows =
      certificate === undefined
        ? await withHub(context, global, hub => hub.call('certificates.list', {}))
        : [await checkFiles(certificate, key ?? certificate)];
    show(output, rows);
    if (rows.some(({ result }) => result === 'fail')) process.exitCode = 1;
  });
}

async function checkFiles(certificate: string, key: string): Promise<CertificateReport> {
  const { examinePair } = await import('../tls/examine.js');
  return examinePair({ certificate: resolve(certificate), key: resolve(key) }, 30 * 86_400_000);
}

function show(output: Output, rows: readonly (CertificateReport & { readonly inUse?: boolean })[]): void {
  output.result(rows, list =>
    output.table(
      list,
      [
        { head: 'NAMES', value: row => row.names.join(' ') },
        { head: 'KEY', value: row => row.keyType ?? '' },
        { head: 'IN USE', value: row => (row.inUse ? 'yes' : '') },
        { head: 'RESULT', value: row => row.result },
        { head: 'DETAIL', value: row => row.detail },
        { head: 'FILE', value: row => row.certificate },
      ],
      'There is no certificate yet; `entrepot start` makes one.',
    ),
  );
}
