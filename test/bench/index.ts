import { parseArgs } from 'node:util';
import { benchSftp } from './sftp.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, size: { type: 'string', default: '512' } },
});
if (positionals.length > 1 || (positionals[0] ?? 'sftp') !== 'sftp') {
  console.error('npm run bench -- sftp [--rounds N] [--size MiB]');
  process.exit(2);
}
await benchSftp({ rounds: Number(values.rounds), sizeMiB: Number(values.size) });
process.exit(0);
