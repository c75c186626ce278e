import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endNow, type Outcome, start, temporaryFolder, until } from '../support/children.js';
import { type Account, Clients } from '../support/clients.js';
import { listEvents } from '../support/events.js';
import { HubProcess, type HubProcessOptions } from '../support/hub-process.js';
import { tool } from '../support/tools.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'correct-horse';
const SENT_BYTES = 2 * 2 ** 20;
const RATE_KBITS = 40_000;

const script: AcceptScript = {
  id: '02.6.2',
  title: 'uploads whose client was killed are gone on with by OpenSSH and lftp, and by nobody else',
  async run(report, scale) {
    const dataDirectory = await temporaryFolder('resumed');
    const clients = await Clients.create();
    const content = randomBytes((scale === 'full' ? 64 : 16) * 2 ** 20);
    const file = join(clients.home, 'file.bin');
    await writeFile(file, content);
    let place = await Place.open(clients, file, { dataDirectory });
    await place.hub.addUser('alice', PASSWORD);
    await place.hub.addUser('bob', PASSWORD, ['--home', 'data:/alice']);

    const ways: Record<string, (account: Account, path: string) => Promise<Outcome>> = {
      "OpenSSH's reput": (account, path) => clients.sftp(account, [`reput ${file} ${path}`]),
      "OpenSSH's put -a": (account, path) => clients.sftp(account, [`put -a ${file} ${path}`]),
      "lftp's put -c": (account, path) => clients.lftp(account, `put -c ${file} -o ${path}`),
    };
    for (const [index, [name, resume]] of Object.entries(ways).entries()) {
      await report.check(`${name} goes on where a client was killed`, async () => {
        const path = `/way-${index}.bin`;
        await place.sendAndKill(path);
        return place.finish(path, content, resume);
      });
    }
    await report.check('another user of the same folder sees nothing of it, and nobody in a listing', async () => {
      await place.sendAndKill('/hidden.bin');
      const looks = ['ls -la /', '-ls -l /hidden.bin', `-get /hidden.bin ${clients.home}/got`];
      const bob = await clients.sftp(place.account('bob'), looks);
      assert.ok(!bob.stdout.split('\n').some(line => line.endsWith(' hidden.bin')), bob.output);
      await assert.rejects(stat(join(clients.home, 'got')));
      const alice = await clients.sftp(place.account('alice'), ['ls -la /']);
      assert.ok(!alice.stdout.split('\n').some(line => line.endsWith(' hidden.bin')), alice.output);
    });
    await report.check('it is there after the hub was stopped and started', async () => {
      assert.equal(await place.hub.stop(), 0);
      place = await Place.open(clients, file, { dataDirectory });
      return place.finish('/hidden.bin', content, ways["OpenSSH's reput"]!);
    });
    await report.check('after kill -9 what was kept is there, and what was open is swept', async () => {
      await place.sendAndKill('/kept.bin');
      const client = place.send('/open.bin');
      await until('a second temporary grows', async () => (await place.temporaries()).length === 2);
      await place.hub.kill();
      endNow(client);
      place = await Place.open(clients, file, { dataDirectory });
      assert.equal((await place.temporaries()).length, 1);
      return place.finish('/kept.bin', content, ways["lftp's put -c"]!);
    });
    await report.check('a new put begins anew', async () => {
      await place.sendAndKill('/anew.bin');
      const put = await clients.sftp(place.account('alice'), [`put ${file} /anew.bin`]);
      assert.equal(put.code, 0, put.output);
      assert.ok(content.equals(await readFile(join(place.hub.files, 'alice/anew.bin'))));
      assert.deepEqual(await place.temporaries(), []);
    });
    await report.check('it is swept after its time', async () => {
      await place.hub.stop();
      place = await Place.open(clients, file, { dataDirectory, env: { ENTREPOT_UPLOADS__RESUME: '2s' } });
      await place.sendAndKill('/late.bin');
      await until('the temporary is swept', async () => (await place.temporaries()).length === 0);
    });
    await report.check("with 'off' nothing is kept", async () => {
      await place.hub.stop();
      place = await Place.open(clients, file, { dataDirectory, env: { ENTREPOT_UPLOADS__RESUME: 'off' } });
      const failed = await place.sendAndKill('/off.bin');
      assert.equal(failed.resumable, undefined);
      assert.deepEqual(await place.temporaries(), []);
    });
    await place.hub.stop();
  },
};

interface Failed {
  readonly path: string;
  readonly bytes: number;
  readonly resumable?: boolean;
}

/** A hub, and a file on its way there. */
class Place {
  private constructor(
    readonly hub: HubProcess,
    private readonly clients: Clients,
    private readonly file: string,
  ) {}

  static async open(clients: Clients, file: string, options: HubProcessOptions): Promise<Place> {
    return new Place(await HubProcess.start(options), clients, file);
  }

  account(user: string): Account {
    return { port: this.hub.port, user, password: PASSWORD };
  }

  /** What lies in the folder of unfinished uploads. */
  async temporaries(): Promise<string[]> {
    return readdir(join(this.hub.files, '.entrepot')).catch(() => []);
  }

  /** Starts a slow upload by OpenSSH's sftp. */
  send(path: string) {
    const account = this.account('alice');
    const options = [...this.clients.sshOptions(account), '-l', String(RATE_KBITS), '-b', '-'];
    const client = start(tool('sftp'), [...options, '-P', String(account.port), `${account.user}@127.0.0.1`], {
      env: this.clients.environment(account),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    client.stdin?.on('error', () => {});
    client.stdin?.end(`put ${this.file} ${path}\n`);
    return client;
  }

  /** Kills the client once the hub has got some of the file; gives the event that says so. */
  async sendAndKill(path: string): Promise<Failed> {
    const before = new Set(await this.temporaries());
    const client = this.send(path);
    await until('the hub has got a part', async () => {
      const name = (await this.temporaries()).find(other => !before.has(other));
      return name !== undefined && (await stat(join(this.hub.files, '.entrepot', name))).size >= SENT_BYTES;
    });
    endNow(client);
    return until('the hub has noticed', async () => {
      const events = await listEvents(this.hub, 'upload.failed');
      return events.map(({ data }) => data as unknown as Failed).find(data => data.path === path);
    });
  }

  /** Goes on with the upload and checks that only the rest was sent, and that the file is whole. */
  async finish(path: string, content: Buffer, resume: (account: Account, path: string) => Promise<Outcome>): Promise<string> {
    const outcome = await resume(this.account('alice'), path);
    assert.equal(outcome.code, 0, outcome.output);
    assert.ok(content.equals(await readFile(join(this.hub.files, 'alice', path))), 'the file differs');
    const events = await listEvents(this.hub, 'upload.completed');
    const done = events.map(({ data }) => data as unknown as Failed & { size: number }).find(data => data.path === path);
    assert.ok(done, 'no event');
    assert.equal(done.size, content.length);
    assert.ok(done.bytes <= content.length - SENT_BYTES, `${done.bytes} of ${content.length} bytes were sent again`);
    return `${content.length - done.bytes} bytes kept, ${done.bytes} sent`;
  }
}

export default script;
