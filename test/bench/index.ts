import { parseArgs } from 'node:util';
import { benchFtp } from './ftp.js';
import { benchScale } from './scale.js';
import { benchSftp } from './sftp.js';
import { benchMemory } from './sftp-memory.js';

const USAGE = `npm run bench -- sftp [WORKS]... [--rounds N] [--size MiB]
WORKS: aes128-gcm, aes256-gcm, chacha20-poly1305, aes128-ctr, several, small, rclone-small, ls, lftp, rclone, paramiko, psftp; all when there are none
   npm run bench -- ftp [PART OF A NAME]... [--rounds N] [--size MiB]
   npm run bench -- memory [--size MiB]
   npm run bench -- scale [deliveries] [dead] [publish] [sessions] [workers] [--rounds N] [--size MiB]`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, size: { type: 'string', default: '512' } },
});
const [protocol = 'sftp', ...only] = positionals;
const bench = { sftp: benchSftp, ftp: benchFtp, memory: benchMemory, scale: benchScale }[protocol];
if (!bench) {
  console.error(USAGE);
  process.exit(2);
}
await bench({ rounds: Number(values.rounds), sizeMiB: Number(values.size), only });
process.exit(0);
