import 'reflect-metadata';
import { addRows } from '#core/db/tables.js';
import { onEachDatabase as test } from '../../support/databases.js';
import { hubDatabase } from './temporary-database.js';

test('rows that a table does not take are told by its name, without the statement', async t => {
  const database = await hubDatabase(t);
  const columns = ['key', 'value'];
  const { message } = (await t.throwsAsync(
    database.transaction(trx =>
      addRows(
        trx,
        'settings',
        columns,
        [...Array(50).keys()].map(() => ['twice', '1']),
      ),
    ),
  ))!;
  t.regex(message, /^settings: /);
  t.notRegex(message, /insert into/i);
  t.true(message.length < 300, message);
});
