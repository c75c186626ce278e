import test from 'ava';
import { compareWithModel } from '../../support/file-model.js';
import { connect, startSftp } from './support.js';

for (const storage of ['memory', 'disk'] as const) {
  test(`2,000 random writes, reads, cuts, reopenings and renames on ${storage} agree with a model`, async t => {
    const { login } = await startSftp(t, { storage, values: { events: { record: [] } } });
    const ran = await compareWithModel(await connect(t, login), 2_000, 4);
    for (const operation of ['write', 'read', 'truncate', 'reopen', 'rename']) t.true(ran[operation]! > 50, operation);
  });
}

test('the model notices one wrong bit', async t => {
  const { login } = await startSftp(t, { values: { events: { record: [] } } });
  const flipped = (bytes: Buffer) => {
    if (bytes.length > 60_000) bytes[50_000]! ^= 1;
    return bytes;
  };
  await t.throwsAsync(compareWithModel(await connect(t, login), 2_000, 4, flipped), { message: /differs/ });
});
