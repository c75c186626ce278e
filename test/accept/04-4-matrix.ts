import 'reflect-metadata';
import { API_ROUTES } from '#web/api/index.js';
import { runTests } from './run-tests.js';
import type { AcceptScript } from './script.js';

const script: AcceptScript = {
  id: '04.4',
  title:
    'each route lets in whom the table says, by cookie and by key; other sites change nothing; odd requests are answered as documented',
  async run(report) {
    await report.check(`${API_ROUTES.length} operations × role × credential, and replays from other sites`, () =>
      runTests('web/access.test.js'),
    );
    await report.check('100 odd requests to each operation that takes a body, 25 to each other one', () =>
      runTests('web/mutations.test.js'),
    );
    await report.check('the document is OpenAPI 3.1, and the types of the client are its own', () => runTests('web/openapi.test.js'));
  },
};

export default script;
