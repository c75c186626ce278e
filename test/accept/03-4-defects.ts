import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { end, hasEnded, start, temporaryFolder } from '../support/children.js';
import { DEFECTS } from '../support/ftp-defects.js';
import { ftpLogin, startFtpHub } from '../support/ftp-hub.js';
import type { AcceptScript } from './script.js';

const PLAIN_FTP_SRV = fileURLToPath(new URL('plain-ftp-srv.js', import.meta.url));

const script: AcceptScript = {
  id: '03.4.1',
  title: 'what is broken in ftp-srv is whole here; each check is shown to find it in ftp-srv itself',
  async run(report) {
    const hub = await startFtpHub({ ENTREPOT_PROTOCOLS__FTP__PASSIVE__PORTS: '23000-23011' });
    await hub.addUser('alice', 'correct-horse');
    for (const { name, shownBy } of DEFECTS) {
      await report.check(`not here: ${name}`, async () => assert.equal(await shownBy(ftpLogin(hub, 'alice')), false));
      await report.check('  and there it is', async () => {
        let shown: boolean | undefined;
        let server = await startPlain();
        // It takes the first message of TLS for a command in most of its handshakes.
        for (let tries = 0; tries < 30 && shown !== true; tries++) {
          if (hasEnded(server.child)) server = await startPlain();
          const login = { port: server.port, user: 'alice', password: 'any', tls: 'none' } as const;
          shown = await shownBy(login).catch(() => undefined);
        }
        await end(server.child, 1_000);
        assert.equal(shown, true);
      });
    }
    await hub.stop();
  },
};

/** ftp-srv as it is. Another one for each defect: some of these checks end it, also a try that shows nothing. */
async function startPlain(): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const env = { ...process.env, TEST_ROOT: await temporaryFolder('ftp-srv') };
  const child = start(process.execPath, [PLAIN_FTP_SRV], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(child.stdout!, 'data', { signal: AbortSignal.timeout(10_000) })) as [Buffer];
  return { child, port: Number(line) };
}

export default script;
