import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { until } from '../../support/children.js';
import { Authority, serve } from './support.js';

/** A listener that wants client certificates, and two ways to ask it who came. */
async function startAsking(t: ExecutionContext, clientCertificates: string, revoked?: string) {
  const authority = await Authority.create();
  const setting = await serve(
    t,
    {},
    { clientCertificates, clientAuthorities: 'ca.crt', ...(revoked && { revokedClients: revoked }) },
    async folder => {
      await writeFile(join(folder, 'ca.crt'), await authority.certificate);
      if (revoked) await writeFile(join(folder, revoked), await authority.revoke());
    },
  );
  /** Who the server says that a client is; 'refused' for one that it does not let in. */
  const arrive = async (options: ConnectionOptions = {}): Promise<string | undefined> => {
    const socket = await setting.visit(options);
    socket.on('error', () => undefined);
    const accepted = setting.accepted.at(-1)!;
    if (!accepted.getProtocol()) await Promise.race([once(accepted, 'secure'), once(accepted, 'close')]);
    socket.write('x');
    await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    if (accepted.destroyed) return 'refused';
    try {
      return setting.certificates.client(accepted)?.commonName;
    } catch {
      return 'refused';
    }
  };
  return { authority, arrive, ...setting };
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const versions = { minVersion: version, maxVersion: version } as const;

  test(`an optional certificate says who comes, when an authority vouches for it: ${version}`, async t => {
    const { authority, arrive } = await startAsking(t, 'optional');
    t.is(await arrive({ ...versions, ...(await authority.issue('alice')) }), 'alice');
    t.is(await arrive(versions), undefined);
    const stranger = await Authority.create();
    t.is(await arrive({ ...versions, ...(await stranger.issue('alice')) }), undefined);
  });

  test(`a required certificate keeps out who has none, or a stranger's: ${version}`, async t => {
    const { authority, arrive } = await startAsking(t, 'required');
    t.is(await arrive({ ...versions, ...(await authority.issue('alice')) }), 'alice');
    const refused = (options: ConnectionOptions) => arrive({ ...versions, ...options }).catch(() => 'refused');
    t.is(await refused({}), 'refused');
    const stranger = await Authority.create();
    t.is(await refused(await stranger.issue('alice')), 'refused');
  });

  test(`a resumed session is still its client's: ${version}`, async t => {
    const { authority, visit, accepted, certificates } = await startAsking(t, 'required');
    const first = await visit({ ...versions, ...(await authority.issue('alice')) });
    const session = version === 'TLSv1.3' ? ((await once(first, 'session'))[0] as Buffer) : first.getSession();
    const second = await visit({ ...versions, ...(session && { session }) });
    t.true(second.isSessionReused());
    second.write('x');
    await once(second, 'data');
    t.is(certificates.client(accepted.at(-1)!)?.commonName, 'alice');
  });
}

test('a revoked certificate does not count, from the moment that the list is replaced', async t => {
  const { authority, arrive, directory } = await startAsking(t, 'optional', 'ca.crl');
  const [alice, bob] = [await authority.issue('alice'), await authority.issue('bob')];
  t.is(await arrive(alice), 'alice');
  await writeFile(join(directory, 'ca.crl'), await authority.revoke('alice'));
  await until('alice is refused', async () => (await arrive(alice)) === undefined);
  t.is(await arrive(bob), 'bob');
  await writeFile(join(directory, 'ca.crl'), 'nothing');
  await new Promise(resolve => setTimeout(resolve, 1_500));
  t.is(await arrive(alice), undefined, 'a broken list forgives nobody');
});

test('a revoked client does not come back by resuming its session', async t => {
  const { authority, visit, accepted, certificates, directory } = await startAsking(t, 'optional', 'ca.crl');
  const first = await visit(await authority.issue('alice'));
  const [session] = (await once(first, 'session')) as [Buffer];
  const back = async () => {
    const socket = await visit({ session });
    socket.write('x');
    await once(socket, 'data');
    return { isResumed: socket.isSessionReused(), name: certificates.client(accepted.at(-1)!)?.commonName };
  };
  t.deepEqual(await back(), { isResumed: true, name: 'alice' });
  await writeFile(join(directory, 'ca.crl'), await authority.revoke('alice'));
  await until('the session is not resumed', async () => !(await back()).isResumed);
  t.deepEqual(await back(), { isResumed: false, name: undefined });
});

test('without the setting nobody is asked', async t => {
  const { certificates, accepted, visit } = await serve(t);
  const authority = await Authority.create();
  await visit(await authority.issue('alice'));
  t.is(certificates.client(accepted[0]!), undefined);
});
