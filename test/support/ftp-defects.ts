import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FtpClient, type FtpLogin } from './ftp-client.js';

/** How long a reply may take that is not expected at all. */
const QUIET_MS = 2_500;
const STRANGER = '127.0.0.3';

/** A mistake that FTP servers make, and whether a server makes it. */
export interface Defect {
  readonly name: string;
  shownBy(login: FtpLogin): Promise<boolean>;
}

/** Those of ftp-srv 4.6.3. */
export const DEFECTS: readonly Defect[] = [
  {
    name: 'a command cut over two segments fails',
    shownBy: login =>
      withClient(login, async client => {
        client.raw('NO');
        await sleep(50);
        client.raw('OP\r\n');
        return (await client.reply()).code !== 200;
      }),
  },
  {
    name: 'what follows AUTH TLS in the same segment is executed within TLS',
    shownBy: async login => {
      const client = await FtpClient.connect({ port: login.port, bare: true });
      client.raw('AUTH TLS\r\nSYST\r\n');
      await client.reply();
      await client.startTls().catch(() => undefined);
      const injected = await soon(client.reply());
      client.close();
      return injected !== undefined && injected.code !== 0;
    },
  },
  {
    name: 'PORT goes to another address, or to a service of the machine',
    shownBy: login =>
      withClient(login, async client => {
        const replies = [await client.command('PORT 127,0,0,2,200,10'), await client.command('PORT 127,0,0,1,0,22')];
        return replies.some(({ code }) => code === 200);
      }),
  },
  { name: 'a stranger on the data port ends the transfer of the client', shownBy: login => withClient(login, stolen) },
  { name: 'one client takes all data ports', shownBy: flooded },
  {
    name: 'REST and STOR destroy the head of the file',
    shownBy: login =>
      withClient(login, async client => {
        await client.send('STOR head', '0123456789');
        await client.command('REST 5');
        await client.send('STOR head', 'abcde');
        return (await client.fetch('RETR head')).data.toString() !== '01234abcde';
      }),
  },
  {
    name: 'the handshake of the data connection is awaited before 150',
    shownBy: login =>
      withClient({ ...login, tls: 'explicit' }, async client => {
        const socket = await client.dataSocket();
        const reply = await soon(client.command('NLST'));
        socket.destroy();
        return reply?.code !== 150;
      }),
  },
  {
    name: 'a client that drops its download gets no reply',
    shownBy: login =>
      withClient(login, async client => {
        await client.send('STOR big', Buffer.alloc(8_000_000));
        const socket = await client.dataSocket();
        await client.command('RETR big');
        await once(socket, 'data');
        socket.destroy();
        return (await soon(client.reply(), 3_000)) === undefined;
      }),
  },
  {
    name: 'quotes are taken out of names',
    shownBy: login =>
      withClient(login, async client => {
        await client.command('MKD say "hi"');
        return !(await client.fetch('NLST')).data.toString().includes('say "hi"');
      }),
  },
  {
    name: 'data is protected without PROT P',
    shownBy: async login => {
      const client = await FtpClient.connect({ port: login.port, bare: true });
      await client.command('AUTH TLS');
      await client.startTls();
      await client.command(`USER ${login.user}`);
      await client.command(`PASS ${login.password}`);
      const socket = await client.dataSocket();
      client.raw('LIST\r\n');
      // Whoever speaks TLS waits for the client's first message; a list in plain text ends by itself.
      const ended = await soon(once(socket.resume(), 'end'));
      socket.destroy();
      client.close();
      return ended === undefined;
    },
  },
  {
    name: 'ABOR is not heard during a transfer',
    shownBy: login =>
      withClient(login, async client => {
        const socket = await client.dataSocket();
        await client.command('STOR aborted');
        socket.write('some');
        await sleep(100);
        client.raw('ABOR\r\n');
        const reply = await soon(client.reply(), 2_000);
        socket.destroy();
        return reply?.code !== 426;
      }),
  },
  {
    name: 'a line has no limit',
    shownBy: async login => {
      const client = await FtpClient.connect({ port: login.port, bare: true });
      const closed = soon(once(client.socket, 'close'), 2_000);
      for (let count = 0; count < 20; count++) {
        client.raw(Buffer.alloc(100_000, 'A'));
        await sleep(20);
      }
      const isClosed = (await closed) !== undefined;
      client.close();
      return !isClosed;
    },
  },
  {
    name: 'passwords may be guessed without end',
    shownBy: async login => {
      const client = await FtpClient.connect({ port: login.port, bare: true });
      let tries = 0;
      for (; tries < 12; tries++) {
        if ((await client.command('USER nobody')).code === 0) break;
        if ((await client.command(`PASS ${tries}`)).code === 421) break;
      }
      client.close();
      return tries === 12;
    },
  },
];

async function stolen(client: FtpClient): Promise<boolean> {
  await client.send('STOR secret', 'secret');
  const port = await client.passivePort();
  const thief = connect({ host: '127.0.0.1', port, localAddress: STRANGER });
  let got = '';
  thief.on('error', () => undefined).on('data', chunk => (got += chunk));
  await soon(once(thief, 'close'));
  const own = connect({ host: '127.0.0.1', port }).on('error', () => undefined);
  let mine = '';
  own.on('data', chunk => (mine += chunk));
  const ended = soon(once(own, 'end'));
  const reply = await soon(client.command('RETR secret'));
  const done = reply?.code === 150 ? await soon(client.reply()) : undefined;
  // The reply may be here before the data.
  await ended;
  thief.destroy();
  own.destroy();
  return got !== '' || done?.code !== 226 || mine !== 'secret';
}

async function flooded(login: FtpLogin): Promise<boolean> {
  const greedy = await FtpClient.connect(login);
  for (let count = 0; count < 60; count++) await soon(greedy.command('PASV'));
  const shown = await withClient(login, async other => (await soon(other.command('PASV'), 3_000))?.code !== 227);
  greedy.close();
  return shown;
}

async function withClient(login: FtpLogin, work: (client: FtpClient) => Promise<boolean>): Promise<boolean> {
  const client = await FtpClient.connect(login);
  try {
    return await work(client);
  } catch (error) {
    // A server that ends the connection in the middle of this has the defect, too.
    if (await soon(client.reply().then(({ code }) => code === 0))) return true;
    throw error;
  } finally {
    client.close();
  }
}

/** What comes within a moment; undefined when nothing does. */
export async function soon<T>(coming: Promise<T>, limitMs = QUIET_MS): Promise<T | undefined> {
  return Promise.race([coming.catch(() => undefined), sleep(limitMs).then(() => undefined)]);
}
