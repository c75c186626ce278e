import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { FtpClient, type FtpLogin } from './ftp-client.js';
import { soon } from './ftp-defects.js';

/** Something that no good client sends, and what has to come back; throws when it does not. */
export interface BadInput {
  readonly name: string;
  send(login: FtpLogin): Promise<unknown>;
}

const NESTED = 200;

/** Bytes that are sent once a client is logged in, and the codes of the replies, in order; 0 is the end of the connection. */
const RAW: readonly (readonly [name: string, bytes: string | Buffer, ...codes: number[]])[] = [
  ['two commands in one segment', 'NOOP\r\nSYST\r\n', 200, 215],
  ['100 kB without a line end', Buffer.alloc(100_000, 'A'), 500, 0],
  ['a bare LF ends a line', 'NOOP\nNOOP\n', 200, 200],
  ['a bare CR in a name', 'MKD a\rb\r\n', 501],
  ['a NUL in a name', 'MKD a\0b\r\n', 501],
  ['telnet commands before a command', Buffer.from([0xff, 0xf4, 0xff, 0xf2, 0xff, 0xfd, 1, ...Buffer.from('NOOP\r\n')]), 200],
  ['telnet commands only, a thousand', Buffer.concat([Buffer.alloc(3_000, Buffer.from([0xff, 0xfd, 1])), Buffer.from('\r\n')]), 500],
  ['bytes that are no UTF-8', Buffer.from('MKD \xfe\xff\r\n', 'latin1'), 501],
  ['PBSZ before AUTH', 'PBSZ 0\r\n', 503],
  ['PROT before PBSZ', 'PROT P\r\n', 503],
  ['AUTH after the login', 'AUTH TLS\r\n', 503],
  ['AUTH of what nobody knows', 'AUTH KERBEROS_V4\r\n', 503],
  ['CCC', 'CCC\r\n', 534],
  ['PORT to another', 'PORT 127,0,0,2,200,10\r\n', 504],
  ['PORT to a service', 'PORT 127,0,0,1,0,22\r\n', 504],
  ['PORT with half of its numbers', 'PORT 127,0,0,1,3\r\n', 501],
  ['PORT with numbers over 255', 'PORT 127,0,0,1,300,10\r\n', 501],
  ['EPRT to another', 'EPRT |1|127.0.0.2|51210|\r\n', 504],
  ['EPRT of the wrong family', 'EPRT |1|::1|51210|\r\n', 501],
  ['EPRT of no family', 'EPRT |9|127.0.0.1|51210|\r\n', 522],
  ['EPSV of no family', 'EPSV 9\r\n', 501],
  ['REST of 2^63', 'REST 9223372036854775808\r\n', 554],
  ['REST of a negative number', 'REST -1\r\n', 501],
  ['REST of 10^12, of nothing', 'REST 1000000000000\r\nREST\r\n', 350, 501],
  ['RETR without a data port', 'RETR bystander.bin\r\n', 425],
  ['STOR without a name', 'STOR\r\n', 501],
  ['RNTO without RNFR', 'RNTO x\r\n', 503],
  ['a command between RNFR and RNTO', 'RNFR bystander.bin\r\nNOOP\r\nRNTO x\r\n', 350, 200, 503],
  ['TYPE E', 'TYPE E\r\n', 504],
  ['TYPE of nothing', 'TYPE\r\n', 501],
  ['MODE B, MODE C, STRU R', 'MODE B\r\nMODE C\r\nSTRU R\r\n', 504, 504, 504],
  ['dots that lead out', 'CWD ../../../..\r\nPWD\r\nRETR ../../etc/passwd\r\n', 250, 257, 425],
  ['dots in disguise', 'CWD %2e%2e\r\nCWD ..\\..\r\nSIZE ..%2f..%2fetc/passwd\r\n', 550, 550, 550],
  ['a name longer than a name may be', `MKD ${'x'.repeat(300)}\r\n`, 501],
  ['SIZE in ASCII mode, REST in ASCII mode', 'TYPE A\r\nSIZE bystander.bin\r\nREST 5\r\n', 200, 550, 504],
  ['times that are none', 'MFMT 20249999999999 bystander.bin\r\nMFMT x bystander.bin\r\n', 501, 501],
  ['a thousand commands at once', 'NOOP\r\n'.repeat(1_000), ...Array<number>(1_000).fill(200)],
  ['HOST after the login', 'HOST other.example\r\n', 503],
  ['ABOR of nothing', 'ABOR\r\n', 226],
  ['SITE of nothing, SITE EXEC', 'SITE\r\nSITE EXEC id\r\n', 504, 504],
  ['nobody knows', 'XYZZY\r\n__proto__\r\nSITE __proto__\r\nOPTS constructor\r\nOPTS HASH constructor\r\n', 500, 500, 504, 501, 501],
];

/** Everything of the list that a client can send. */
export const BAD_INPUTS: readonly BadInput[] = [
  ...RAW.map(([name, bytes, ...codes]) => ({
    name,
    send: (login: FtpLogin) =>
      withClient(login, async client => {
        client.raw(bytes);
        for (const [index, code] of codes.entries()) {
          const reply = await client.reply();
          assert.equal(reply.code, code, `reply ${index + 1}: ${reply.text}`);
        }
      }),
  })),
  {
    name: 'one command in ten segments',
    send: login =>
      withClient(login, async client => {
        for (const byte of 'MKD tenth\r\n') {
          client.raw(byte);
          await sleep(2);
        }
        assert.equal((await client.reply()).code, 257);
        await client.command('RMD tenth');
      }),
  },
  {
    name: 'AUTH twice, and what follows AUTH in its segment is dropped',
    send: async login => {
      const client = await FtpClient.connect({ ...login, bare: true });
      client.raw('AUTH TLS\r\nNOOP\r\nUSER alice\r\n');
      assert.equal((await client.reply()).code, 234);
      await client.startTls();
      assert.equal(await soon(client.reply()), undefined);
      client.close();
      const other = await FtpClient.connect({ ...login, tls: 'explicit' });
      assert.equal((await other.command('AUTH TLS')).code, 503);
      other.close();
    },
  },
  {
    name: 'data before the command',
    send: login =>
      withClient(login, async client => {
        const socket = await client.dataSocket();
        socket.end('early');
        assert.equal((await client.command('STOR early')).code, 150);
        assert.equal((await client.reply()).code, 226);
        assert.equal((await client.fetch('RETR early')).data.toString(), 'early');
      }),
  },
  {
    name: '100 x PASV',
    send: login =>
      withClient(login, async client => {
        for (let count = 0; count < 100; count++) assert.equal((await client.command('PASV')).code, 227);
        assert.equal((await client.fetch('NLST')).reply.code, 226);
      }),
  },
  {
    name: 'REST of 10^12 and STOR make no file of nothing',
    send: login =>
      withClient(login, async client => {
        await client.command('REST 1000000000000');
        assert.equal((await client.send('STOR sparse', 'x')).code, 554);
        assert.equal((await client.command('SIZE sparse')).code, 550);
      }),
  },
  {
    name: 'APPE of a missing file makes it',
    send: login =>
      withClient(login, async client => {
        assert.equal((await client.send('APPE appended', 'x')).code, 226);
        assert.equal((await client.command('DELE appended')).code, 250);
      }),
  },
  {
    name: 'patterns that take for ever elsewhere',
    send: login =>
      withClient(login, async client => {
        await client.send(`STOR ${'a'.repeat(200)}`, 'x');
        const began = performance.now();
        for (const pattern of [
          `${'*a'.repeat(100)}b`,
          `${'*'.repeat(2_000)}b`,
          `${'{a,b}'.repeat(200)}`,
          '*/../*/../*/../*',
          `[${'a'.repeat(4_000)}`,
        ])
          assert.ok((await client.fetch(`NLST ${pattern}`)).reply.code >= 226);
        assert.ok(performance.now() - began < 2_000, 'it took seconds');
      }),
  },
  {
    name: 'directories in directories, and a path of 4,000 of them',
    send: login =>
      withClient(login, async client => {
        let depth = 0;
        for (; depth < NESTED; depth++) {
          assert.equal((await client.command('MKD d')).code, 257);
          assert.equal((await client.command('CWD d')).code, 250);
        }
        assert.equal((await client.command(`MKD ${'d/'.repeat(4_000)}`)).code, 501);
        assert.equal((await client.fetch('NLST')).reply.code, 226);
        for (; depth > 0; depth--) {
          assert.equal((await client.command('CDUP')).code, 250);
          assert.equal((await client.command('RMD d')).code, 250);
        }
      }),
  },
  {
    name: 'ABOR in the middle, ABOR after the end',
    send: login =>
      withClient(login, async client => {
        const socket = await client.dataSocket();
        await client.command('STOR aborted');
        socket.write('half');
        await sleep(50);
        assert.equal((await client.command('ABOR')).code, 426);
        assert.equal((await client.reply()).code, 226);
        assert.equal((await client.send('STOR whole', 'whole')).code, 226);
        assert.equal((await client.command('ABOR')).code, 226);
        assert.ok(!(await client.fetch('NLST')).data.toString().includes('aborted'));
      }),
  },
  {
    name: 'a client that is gone in the middle of an upload publishes nothing',
    send: login =>
      withClient(login, async client => {
        const doomed = await FtpClient.connect(login);
        const socket = await doomed.dataSocket();
        await doomed.command('STOR gone');
        socket.write(Buffer.alloc(100_000));
        await sleep(50);
        doomed.close();
        socket.destroy();
        await sleep(300);
        assert.ok(!(await client.fetch('NLST')).data.toString().includes('gone'));
      }),
  },
];

/** What is sent to the port on which TLS is spoken from the first byte. */
export const BAD_TLS: readonly BadInput[] = [
  {
    name: 'plain text on the TLS port',
    send: async ({ port }) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.on('error', () => undefined);
      socket.write('USER alice\r\nPASS x\r\n');
      assert.ok(await soon(once(socket, 'close'), 3_000), 'it is still connected');
    },
  },
  {
    name: 'a handshake that stops half way: the others are served',
    send: async ({ port }) => {
      const halves = Array.from({ length: 5 }, () => connect({ host: '127.0.0.1', port }).on('error', () => undefined));
      for (const half of halves) half.write(Buffer.from('160301020001000100', 'hex'));
      await sleep(100);
      const whole = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
      await once(whole, 'secureConnect');
      for (const socket of [whole, ...halves]) socket.destroy();
    },
  },
  {
    name: 'renegotiation',
    send: async ({ port }) => {
      const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
      socket.on('error', () => undefined);
      // The hub drops whoever asks for it.
      const closed = new Promise(resolve => socket.once('close', () => resolve(true)));
      socket.once('data', () => socket.renegotiate({}, () => undefined));
      assert.ok(await soon(closed, 3_000), 'it negotiated anew');
      socket.destroy();
    },
  },
];

async function withClient(login: FtpLogin, work: (client: FtpClient) => Promise<void>): Promise<void> {
  const client = await FtpClient.connect(login);
  try {
    await work(client);
  } finally {
    client.close();
  }
}
