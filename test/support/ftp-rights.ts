import type { Right } from '#core/db/user.js';
import { FtpClient, type FtpLogin, type FtpReply } from './ftp-client.js';

/** A command as a client sends it, and the rights that it takes, written from the manual of rights and not from the code. */
interface Row {
  readonly title: string;
  readonly needs: readonly Right[];
  /** Gives the last reply. */
  readonly act: (client: FtpClient) => Promise<FtpReply>;
}

/** Commands, one after the other; the first that is refused is the answer. */
const say =
  (...lines: readonly string[]) =>
  async (client: FtpClient): Promise<FtpReply> => {
    let reply: FtpReply | undefined;
    for (const line of lines) {
      reply = await client.command(line);
      if (reply.code >= 400) break;
    }
    return reply!;
  };
const fetch = (command: string) => async (client: FtpClient) => (await client.fetch(command)).reply;
const send = (command: string) => (client: FtpClient) => client.send(command, 'x');

/** Commands about '/f' and '/g', which are there, '/d', an empty directory, '/full', one with a file, and '/new', which is not. */
export const FTP_ROWS: readonly Row[] = [
  { title: 'RETR', needs: ['download'], act: fetch('RETR /f') },
  { title: 'STOR', needs: ['upload'], act: send('STOR /new') },
  { title: 'STOR over a file', needs: ['overwrite'], act: send('STOR /f') },
  { title: 'REST and STOR', needs: ['overwrite'], act: async client => (await client.command('REST 2')) && send('STOR /f')(client) },
  { title: 'APPE to a new file', needs: ['upload'], act: send('APPE /new') },
  { title: 'APPE to a file', needs: ['overwrite'], act: send('APPE /f') },
  { title: 'STOU', needs: ['upload'], act: send('STOU /new') },
  { title: 'LIST', needs: ['list'], act: fetch('LIST /full') },
  { title: 'NLST', needs: ['list'], act: fetch('NLST /full') },
  { title: 'NLST of a pattern', needs: ['list'], act: fetch('NLST /full/f*') },
  { title: 'MLSD', needs: ['list'], act: fetch('MLSD /full') },
  { title: 'STAT of a directory', needs: ['list'], act: say('STAT /full') },
  { title: 'MLST', needs: [], act: say('MLST /f') },
  { title: 'SIZE', needs: [], act: say('SIZE /f') },
  { title: 'MDTM', needs: [], act: say('MDTM /f') },
  { title: 'CWD', needs: [], act: say('CWD /full', 'CWD /') },
  { title: 'AVBL', needs: [], act: say('AVBL /') },
  { title: 'MKD', needs: ['create-directories'], act: say('MKD /new') },
  { title: 'XMKD', needs: ['create-directories'], act: say('XMKD /new') },
  { title: 'RMD', needs: ['delete-directories'], act: say('RMD /d') },
  { title: 'DELE', needs: ['delete-files'], act: say('DELE /f') },
  { title: 'RNTO', needs: ['rename-files'], act: say('RNFR /f', 'RNTO /new') },
  { title: 'RNTO of a directory', needs: ['rename-directories'], act: say('RNFR /d', 'RNTO /new') },
  { title: 'RNTO over a file', needs: ['rename-files', 'overwrite'], act: say('RNFR /f', 'RNTO /g') },
  { title: 'MFMT', needs: ['chtimes'], act: say('MFMT 20240229123456 /f') },
  { title: 'MDTM with a time', needs: ['chtimes'], act: say('MDTM 20240229123456 /f') },
  { title: 'MFF of a time', needs: ['chtimes'], act: say('MFF modify=20240229123456; /f') },
  { title: 'MFF of a mode', needs: ['chmod'], act: say('MFF unix.mode=0600; /f') },
  { title: 'SITE CHMOD', needs: ['chmod'], act: say('SITE CHMOD 600 /f') },
  { title: 'SITE UTIME', needs: ['chtimes'], act: say('SITE UTIME 20240229123456 /f') },
  { title: 'SITE SYMLINK', needs: ['create-links'], act: say('SITE SYMLINK f /new') },
  { title: 'HASH', needs: ['download'], act: say('HASH /f') },
  { title: 'XMD5', needs: ['download'], act: say('XMD5 /f') },
  { title: 'XSHA256', needs: ['download'], act: say('XSHA256 /f') },
];

/** Brings the files that the rows name to how they expect them, by a client that may do everything. */
async function prepare(client: FtpClient): Promise<void> {
  for (const path of ['/f', '/g', '/new', '/d']) {
    await client.command(`DELE ${path}`);
    await client.command(`RMD ${path}`);
  }
  for (const path of ['/d', '/full']) await client.command(`MKD ${path}`);
  for (const path of ['/f', '/g', '/full/file']) await client.send(`STOR ${path}`, 'content');
}

/** What a client that may do everything sees of the files that the rows name: what a refused command must leave as it was. */
async function stateOf(client: FtpClient): Promise<string> {
  const lines: string[] = [];
  for (const path of ['/f', '/g', '/new', '/d'])
    lines.push((await client.command(`MLST ${path}`)).lines.find(line => line.startsWith(' ')) ?? `${path} -`);
  return lines.join('\n');
}

/** Runs every row as a user who has all rights but `missing`; gives what is not as the table says. */
export async function wrongFtpRows(login: FtpLogin, missing: Right | undefined, full: FtpClient): Promise<readonly string[]> {
  const client = await FtpClient.connect(login);
  const wrong: string[] = [];
  await client.command('TYPE I');
  for (const { title, needs, act } of FTP_ROWS) {
    await prepare(full);
    const before = await stateOf(full);
    const { code, text } = await act(client);
    const denied = missing !== undefined && needs.includes(missing);
    const right = denied ? code === 550 && /permission|may not|not allowed/i.test(text) : code >= 200 && code < 300;
    if (!right) wrong.push(`${title} with all but ${missing}: ${text}`);
    if (denied && (await stateOf(full)) !== before) wrong.push(`${title} without ${missing} has changed something`);
  }
  client.close();
  return wrong;
}
