import type { Server } from '@hapi/hapi';
import type { WebServices } from '../services.js';

/** For probes: /healthz, which needs nothing but the process, and /readyz. */
export function addHealthRoutes(server: Server, { options, operations, isReady }: WebServices, isStopping: () => boolean): void {
  server.route({
    method: 'GET',
    path: `${options.basePath}healthz`,
    handler: (_request, h) => h.response({ status: 'ok' }).header('cache-control', 'no-store'),
  });
  server.route({
    method: 'GET',
    path: `${options.basePath}readyz`,
    handler: async (_request, h) => {
      const reason = isStopping() || !isReady() ? 'starting or stopping' : await databaseTrouble();
      const body = reason === undefined ? { status: 'ready' } : { status: 'not ready', reason };
      return h
        .response(body)
        .code(reason === undefined ? 200 : 503)
        .header('cache-control', 'no-store');
    },
  });

  async function databaseTrouble(): Promise<string | undefined> {
    return operations.admins.isEmpty().then(
      () => undefined,
      () => 'the database does not answer',
    );
  }
}
