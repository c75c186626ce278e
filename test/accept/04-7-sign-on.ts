import { runTests } from './run-tests.js';
import type { AcceptScript } from './script.js';

const script: AcceptScript = {
  id: '04.7',
  title: 'single sign-on by a local provider, forged answers refused; one-time codes on the web, SFTP and FTP, each good once',
  async run(report) {
    await report.check('single sign-on: a provider of ours that lies, and one that others wrote', () => runTests('web/sso.test.js'));
    await report.check('one-time codes', () => runTests('web/second-factor.test.js'));
  },
};

export default script;
