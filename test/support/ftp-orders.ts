/** What moves over a data connection: how it is opened, and what it carries. */
type Moved = readonly [mode: 'EPSV' | 'PASV', what: RegExp | 'first' | 'rest' | 'get' | 'get rest'];

/** A command as a program sends it, the last code that it needs, and what is moved. */
export type Step = readonly [line: string, code: number, moved?: Moved];

const LOGIN: readonly Step[] = [
  ['USER alice', 331],
  ['PASS correct-horse', 230],
];
const FILEZILLA: readonly Step[] = [
  ['SYST', 215],
  ['FEAT', 211],
  ['CLNT FileZilla', 200],
  ['OPTS UTF8 ON', 200],
  ['PBSZ 0', 200],
  ['PROT P', 200],
];
const FILEZILLA_WORK: readonly Step[] = [
  ['OPTS MLST type;size;modify;perm;unix.mode;unix.owner;unix.group;', 200],
  ['PWD', 257],
  ['TYPE I', 200],
  ['MLSD', 226, ['PASV', /type=file;size=300000;modify=\d{14};unix\.mode=0\d{3}; there\.bin\r\n/]],
  ['RETR there.bin', 226, ['PASV', 'get']],
  ['REST 100000', 350],
  ['RETR there.bin', 226, ['EPSV', 'get rest']],
  ['SIZE there.bin', 213],
  ['MDTM there.bin', 213],
  ['MKD new', 257],
  ['CWD new', 250],
  ['PWD', 257],
  ['STOR two words.bin', 226, ['PASV', 'first']],
  ['SIZE two words.bin', 213],
  ['APPE two words.bin', 226, ['PASV', 'rest']],
  ['MFMT 20240229123456 two words.bin', 213],
  ['MLSD', 226, ['PASV', /modify=20240229123456;.* two words\.bin\r\n/]],
  ['CWD /', 250],
  ['RNFR new/two words.bin', 350],
  ['RNTO /kept.bin', 250],
  ['SITE CHMOD 640 kept.bin', 200],
  ['RMD new', 250],
  ['CWD new', 550],
  ['DELE there.bin', 250],
  // What it sends when nothing happens, in turn.
  ['NOOP', 200],
  ['TYPE I', 200],
  ['PWD', 257],
];

const WINSCP: readonly Step[] = [
  ['SYST', 215],
  ['FEAT', 211],
  ['CLNT WinSCP-release-6.3', 200],
  ['OPTS UTF8 ON', 200],
  ['OPTS HASH SHA-1', 200],
];
const WINSCP_WORK: readonly Step[] = [
  ['PWD', 257],
  ['CWD /', 250],
  ['TYPE A', 200],
  ['MLSD', 226, ['PASV', /type=file;.* there\.bin\r\n/]],
  ['MLST there.bin', 250],
  ['TYPE I', 200],
  ['RETR there.bin', 226, ['PASV', 'get']],
  ['REST 100000', 350],
  ['RETR there.bin', 226, ['PASV', 'get rest']],
  ['MKD new', 257],
  ['CWD new', 250],
  ['STOR part.bin.filepart', 226, ['PASV', 'first']],
  ['TYPE A', 200],
  ['LIST -a', 226, ['PASV', / part\.bin\.filepart\r\n/]],
  ['TYPE I', 200],
  ['REST 100000', 350],
  ['STOR part.bin.filepart', 226, ['PASV', 'rest']],
  ['MFMT 20240229123456 part.bin.filepart', 213],
  ['RNFR part.bin.filepart', 350],
  ['RNTO part.bin', 250],
  ['SIZE part.bin', 213],
  ['HASH part.bin', 213],
  ['XSHA1 part.bin', 250],
  ['SITE CHMOD 0600 part.bin', 200],
  ['MDTM part.bin', 213],
  ['RNFR /new/part.bin', 350],
  ['RNTO /kept.bin', 250],
  ['CWD /', 250],
  ['RMD new', 250],
  ['DELE /there.bin', 250],
  ['MLST /there.bin', 550],
  ['AVBL', 213],
  ['REST 0', 350],
  ['NOOP', 200],
  ['QUIT', 221],
];

/** What two programs for Windows send, as their logs show it, over each kind of TLS that they can. */
export const FTP_ORDERS: Readonly<Record<string, { readonly tls: 'none' | 'explicit' | 'implicit'; readonly steps: readonly Step[] }>> = {
  'FileZilla, explicit': { tls: 'explicit', steps: [['AUTH TLS', 234], ...LOGIN, ...FILEZILLA, ...FILEZILLA_WORK] },
  'FileZilla, implicit': { tls: 'implicit', steps: [...LOGIN, ...FILEZILLA, ...FILEZILLA_WORK] },
  'FileZilla, plain': { tls: 'none', steps: [...LOGIN, ...FILEZILLA.slice(0, -2), ...FILEZILLA_WORK] },
  'WinSCP, explicit': {
    tls: 'explicit',
    steps: [['AUTH TLS', 234], ...LOGIN, ...WINSCP, ['PBSZ 0', 200], ['PROT P', 200], ...WINSCP_WORK],
  },
  'WinSCP, implicit': { tls: 'implicit', steps: [...LOGIN, ...WINSCP, ['PBSZ 0', 200], ['PROT P', 200], ...WINSCP_WORK] },
  'WinSCP, plain': { tls: 'none', steps: [...LOGIN, ...WINSCP, ...WINSCP_WORK] },
};
