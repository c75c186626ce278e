import assert from 'node:assert/strict';
import { run } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { compareWithModel } from '../support/file-model.js';
import { HubProcess } from '../support/hub-process.js';
import { RawSftp } from '../support/raw-sftp.js';
import { tool } from '../support/tools.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'correct-horse';
const OPERATIONS = 20_000;

const script: AcceptScript = {
  id: '02.3',
  title: 'random writes, reads, cuts, reopenings and renames agree with a model',
  async run(report, scale) {
    const hub = await HubProcess.start();
    await hub.addUser('alice', PASSWORD);
    const login = { port: hub.port, user: 'alice', password: PASSWORD };
    const count = scale === 'full' ? OPERATIONS : OPERATIONS / 4;
    await report.check(`${count} operations, 0 mismatches`, async () => {
      const client = await RawSftp.connect(login);
      const ran = await compareWithModel(client, count, 4);
      client.end();
      return Object.entries(ran)
        .map(([name, times]) => `${times} ${name}`)
        .join(', ');
    });
    await report.check('one wrong bit is noticed', async () => {
      const client = await RawSftp.connect(login);
      const flipped = (bytes: Buffer) => {
        if (bytes.length > 60_000) bytes[50_000]! ^= 1;
        return bytes;
      };
      await assert.rejects(compareWithModel(client, 2_000, 4, flipped), /differs/);
      client.end();
    });
    await report.check('fio finds on sshfs what it has written there', async () => {
      const fio = tool('fio');
      const clients = await Clients.create();
      const { folder, unmount } = await clients.sshfs(login);
      const sizes = [`--size=${scale === 'full' ? 512 : 64}m`, '--bsrange=512-128k', '--nrfiles=4'];
      const way = ['--name=verify', `--directory=${folder}`, '--rw=randrw', '--ioengine=psync', '--fallocate=none', '--end_fsync=1'];
      const verify = ['--verify=crc32c', '--verify_fatal=1', '--verify_backlog=64', '--verify_state_save=0'];
      const ran = await run(fio, [...way, ...sizes, ...verify, '--output-format=terse', '--terse-version=3']);
      await unmount();
      assert.equal(ran.code, 0, ran.output.slice(-1_000));
    });
    await hub.stop();
  },
};

export default script;
