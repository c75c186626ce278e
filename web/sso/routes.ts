import type { Server } from '@hapi/hapi';
import { HubError, randomToken, z } from '#core/api.js';
import { validator } from '../http/validate.js';
import type { WebServices } from '../services.js';
import type { SsoFlow } from './flow.js';

const PASSWORD = 'sso.password';
const asked = z.object({ scope: z.enum(['admin', 'user']).default('user'), next: z.string().max(2_048).default('') });

/** Where browsers begin to log in by a provider: /sso/NAME/start?scope=…&next=…. What it takes is loaded with the first one. */
export function addSso(server: Server, services: WebServices, isSecure: boolean): void {
  const flows = new Map<string, Promise<SsoFlow>>();
  let bell: Promise<void> | undefined;

  const open = async (name: string): Promise<SsoFlow> => {
    const { SsoFlow, addBell } = await import('./flow.js');
    bell ??= addBell(server);
    await bell;
    await services.operations.settings.add(PASSWORD, randomToken(32));
    return SsoFlow.open(server, services, name, { isSecure, password: String(await services.operations.settings.get(PASSWORD)) });
  };

  server.route({
    method: 'GET',
    path: `${services.options.basePath}sso/{name}/start`,
    options: { validate: { query: validator(asked, '?') as never, failAction: (_request, _h, error) => Promise.reject(error) } },
    handler: async (request, h) => {
      const { name } = request.params as { name: string };
      if (!Object.hasOwn(services.options.sso, name)) throw new HubError('not-found', 'There is no such provider');
      let flow = flows.get(name);
      if (!flow) {
        flow = open(name);
        flows.set(name, flow);
        flow.catch(() => flows.delete(name));
      }
      const { scope, next } = request.query as z.output<typeof asked>;
      return (await flow).begin(h, scope, next);
    },
  });
}
