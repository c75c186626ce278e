import { HubError, z } from '#core/api.js';
import { otpauthUri } from '#core/auth/second-factor.js';
import { type Call, defineRoute, type Route } from '../http/route.js';
import { requirePassword } from './me.js';

const password = z.string().max(1_024);
const code = z.string().min(1).max(64);
const codes = z.object({ recoveryCodes: z.array(z.string()).describe('Each good once; shown this once') }).meta({ id: 'RecoveryCodes' });

/** A second factor for one's own account. */
export const secondFactorRoutes: readonly Route[] = [
  defineRoute({
    id: 'me.second-factor.show',
    method: 'GET',
    path: '/me/second-factor',
    summary: 'Whether I am asked for a code, and how many recovery codes are left',
    access: 'login',
    keys: false,
    response: z.object({ on: z.boolean(), recoveryLeft: z.int() }).meta({ id: 'SecondFactorState' }),
    handle: async ({ caller: { kind, account }, services: { secondFactors } }) => ({
      on: await secondFactors.isOn(kind, account.id),
      recoveryLeft: await secondFactors.recoveryLeft(kind, account.id),
    }),
  }),

  defineRoute({
    id: 'me.second-factor.begin',
    method: 'POST',
    path: '/me/second-factor',
    summary: 'Make a secret for my authenticator app; it counts once it is confirmed',
    access: 'login',
    keys: false,
    body: z.strictObject({ password }).meta({ id: 'SecondFactorBegin' }),
    response: z
      .object({ secret: z.string(), uri: z.string(), picture: z.string().describe('The URI as a QR code, in SVG') })
      .meta({ id: 'SecondFactorSecret' }),
    failures: [409],
    handle: async call => {
      await requirePassword(call, call.body.password, 'password');
      const { caller, services } = call;
      const secret = await services.secondFactors.begin(caller.kind, caller.account.id);
      const uri = otpauthUri('Entrepot', `${caller.account.username}${caller.kind === 'admin' ? ' (admin)' : ''}`, secret);
      const { toString: draw } = await import('qrcode');
      return { secret, uri, picture: await draw(uri, { type: 'svg', margin: 1 }) };
    },
  }),

  defineRoute({
    id: 'me.second-factor.confirm',
    method: 'POST',
    path: '/me/second-factor/confirm',
    summary: 'Show that my app has the secret; from now on I am asked, and my other browser sessions end',
    access: 'login',
    keys: false,
    body: z.strictObject({ code }).meta({ id: 'SecondFactorConfirm' }),
    response: codes,
    failures: [409],
    handle: async ({ caller, body, services }) => {
      const { kind, account, session } = caller;
      const recoveryCodes = await services.secondFactors.confirm(kind, account.id, body.code.replace(/\s/g, ''));
      await services.operations.webSessions.endAll(kind, account.id, session?.id);
      return { recoveryCodes: [...recoveryCodes] };
    },
  }),

  defineRoute({
    id: 'me.second-factor.recovery-codes',
    method: 'POST',
    path: '/me/second-factor/recovery-codes',
    summary: 'New recovery codes in place of those there were',
    access: 'login',
    keys: false,
    body: z.strictObject({ password, code }).meta({ id: 'SecondFactorProof' }),
    response: codes,
    failures: [409],
    handle: async call => {
      await requireBoth(call);
      const { kind, account } = call.caller;
      return { recoveryCodes: [...(await call.services.secondFactors.renewRecovery(kind, account.id))] };
    },
  }),

  defineRoute({
    id: 'me.second-factor.remove',
    method: 'POST',
    path: '/me/second-factor/remove',
    summary: 'Ask me for no code any more',
    access: 'login',
    keys: false,
    body: z.strictObject({ password, code }).meta({ id: 'SecondFactorRemove' }),
    failures: [409],
    handle: async call => {
      await requireBoth(call);
      await call.services.secondFactors.remove(call.caller.kind, call.caller.account.id);
    },
  }),
];

async function requireBoth(call: Call<unknown, unknown, { readonly password: string; readonly code: string }>): Promise<void> {
  const { caller, client, body, services } = call;
  const { kind, account } = caller;
  if (!(await services.secondFactors.isOn(kind, account.id))) throw new HubError('conflict', 'There is no second factor');
  await requirePassword(call, body.password, 'password');
  if (await services.secondFactors.verify(kind, account.id, body.code)) return;
  await services.defence.failed(client.remoteAddress, account.username);
  throw new HubError('permission-denied', 'The code is wrong, or was used before', { field: 'code' });
}
