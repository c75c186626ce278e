import assert from 'node:assert/strict';
import { RIGHTS } from '#core/db/user.js';
import { until } from '../support/children.js';
import { FtpClient } from '../support/ftp-client.js';
import { ftpLogin, PASSWORD, startFtpHub } from '../support/ftp-hub.js';
import { FTP_ROWS, wrongFtpRows } from '../support/ftp-rights.js';
import type { HubProcess } from '../support/hub-process.js';
import { FXP, NO_ATTRS, RawSftp, string, u32 } from '../support/raw-sftp.js';
import type { CloudEvent } from '../support/receiver.js';
import type { AcceptScript } from './script.js';

const script: AcceptScript = {
  id: '03.5',
  title: 'each command takes the rights that the manual says, and makes the events that SFTP makes',
  async run(report) {
    const hub = await startFtpHub();
    await hub.addUser('full', PASSWORD, ['--home', 'data:/shared', '--permission', '/=*']);
    const full = await FtpClient.connect(ftpLogin(hub, 'full'));
    await full.command('TYPE I');
    await report.check(`${FTP_ROWS.length} commands succeed with every right`, async () => {
      assert.deepEqual(await wrongFtpRows(ftpLogin(hub, 'full'), undefined, full), []);
    });
    for (const right of RIGHTS) {
      await report.check(`without ${right}`, async () => {
        const rest = RIGHTS.filter(other => other !== right);
        await hub.addUser(right, PASSWORD, ['--home', 'data:/shared', '--permission', `/=${rest.join(',')}`]);
        assert.deepEqual(await wrongFtpRows(ftpLogin(hub, right), right, full), []);
        const denied = FTP_ROWS.filter(({ needs }) => needs.includes(right)).length;
        return `${denied} refused, ${FTP_ROWS.length - denied} done`;
      });
    }
    full.close();
    await report.check('the same work makes the same events with the same fields', () => compareEvents(hub));
    await hub.stop();
  },
};

/** Does the same by both protocols, each as a user of its own. */
async function compareEvents(hub: HubProcess): Promise<string> {
  for (const user of ['bysftp', 'byftp']) await hub.addUser(user, PASSWORD, ['--permission', '/=*']);
  await bySftp(hub);
  await byFtp(hub);
  const events = async (user: string) => {
    const all = await until('the session has ended', async () => {
      const { items } = await hub.json<{ readonly items: readonly CloudEvent[] }>(['events', 'list', '--user', user, '--limit', '1000']);
      return items.some(({ type }) => type.endsWith('session.ended')) && items;
    });
    return all.map(plain).toSorted();
  };
  const [one, other] = [await events('bysftp'), await events('byftp')];
  assert.deepEqual(other, one);
  return `${one.length} events`;
}

async function bySftp(hub: HubProcess): Promise<void> {
  const client = await RawSftp.connect({ port: hub.port, user: 'bysftp', password: PASSWORD });
  const ask = async (type: number, ...parts: readonly Buffer[]) => assert.equal((await client.request(type, ...parts)).code, 0);
  await ask(FXP.MKDIR, string('/d'), NO_ATTRS);
  await client.put('/d/f', Buffer.from('content'));
  await client.put('/d/f', Buffer.from('other content'));
  await client.get('/d/f');
  await ask(FXP.EXTENDED, string('posix-rename@openssh.com'), string('/d/f'), string('/d/g'));
  await ask(FXP.RENAME, string('/d'), string('/e'));
  await ask(FXP.SETSTAT, string('/e/g'), u32(4), u32(0o600));
  await ask(FXP.SYMLINK, string('g'), string('/e/link'));
  await ask(FXP.REMOVE, string('/e/link'));
  await ask(FXP.REMOVE, string('/e/g'));
  await ask(FXP.RMDIR, string('/e'));
  client.cut();
}

async function byFtp(hub: HubProcess): Promise<void> {
  const client = await FtpClient.connect(ftpLogin(hub, 'byftp', 'explicit'));
  const ask = async (line: string) => assert.ok((await client.command(line)).code < 400, line);
  await ask('MKD /d');
  await client.send('STOR /d/f', 'content');
  await client.send('STOR /d/f', 'other content');
  await client.fetch('RETR /d/f');
  for (const line of ['RNFR /d/f', 'RNTO /d/g', 'RNFR /d', 'RNTO /e', 'SITE CHMOD 600 /e/g', 'SITE SYMLINK g /e/link']) await ask(line);
  for (const line of ['DELE /e/link', 'DELE /e/g', 'RMD /e']) await ask(line);
  client.close();
}

/** An event without what differs from run to run, or tells who came and how. */
function plain({ type, data }: CloudEvent): string {
  const { session, ...rest } = data as unknown as Record<string, unknown>;
  const stable = Object.entries(rest).map(([name, value]) => [name, /Ms$|^id$|reason/.test(name) ? typeof value : value]);
  return JSON.stringify([type, Object.fromEntries(stable), Object.keys(session as object).toSorted()]).replaceAll(/by(s?)ftp/g, 'user');
}

export default script;
