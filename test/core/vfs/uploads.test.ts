import test from 'ava';
import { startHub } from '../../support/hub.js';

test('an upload replaces the old file in one step, and its event follows', async t => {
  const hub = await startHub(t, { users: { alice: {} } });
  const files = await hub.files('alice');
  const first = await files.open('/report.csv', { write: true, create: true, truncate: true });
  await first.write(Buffer.from('old'), 0);
  await first.close();
  const second = await files.open('/report.csv', { write: true, create: true, truncate: true });
  await second.write(Buffer.from('new content'), 0);
  t.is((await files.stat('/report.csv')).size, 3);
  await second.close();
  t.is((await files.stat('/report.csv')).size, 11);
  const event = await hub.event('upload.completed', ({ data }) => data.replaced);
  t.is(event.data.path, '/report.csv');
  t.is(event.data.size, 11);
  t.is(event.data.session.user, 'alice');
});
