import test, { type ExecutionContext } from 'ava';
import { testStorageBackend } from '../conformance/index.js';
import { startHub, type TestHub } from '../support/hub.js';
import { openStorage, turns } from './sftp-servers.js';

const ending: (() => unknown)[] = [];
let hub: TestHub;

test.before(async () => {
  const suite = { context: {}, teardown: (end: () => unknown) => ending.push(end) } as Pick<ExecutionContext, 'context' | 'teardown'>;
  hub = await startHub(suite as ExecutionContext, { users: { alice: { password: 'secret' } } });
});

test.after.always(async () => {
  for (const end of ending) await end();
});

const turn = turns(4);
let made = 0;

testStorageBackend(
  'sftp, on our own server over memory',
  async t => {
    await turn(t);
    const root = `/root-${++made}`;
    await (await hub.files('alice')).mkdir(root);
    return openStorage({ port: hub.port('sftp'), username: 'alice', password: 'secret', root });
  },
  { skip: { 'makes a link and says where it leads': 'our server tells where a link leads as an absolute path of the user' } },
);
