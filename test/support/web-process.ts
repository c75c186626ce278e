import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiClient } from '../web/support.js';
import { HubProcess, type HubProcessOptions } from './hub-process.js';

/** The password of the owner of such a hub. */
export const OWNER_PASSWORD = 'correct-horse-battery';

/** A hub as a process, with the owner 'ada', and where its web server is. */
export async function startWebProcess(options: HubProcessOptions = {}): Promise<{ readonly hub: HubProcess; readonly base: string }> {
  const env = { ENTREPOT_ADMIN__USERNAME: 'ada', ENTREPOT_ADMIN__PASSWORD: OWNER_PASSWORD, ...options.env };
  const hub = await HubProcess.start({ ...options, env });
  const run = JSON.parse(await readFile(join(hub.dataDirectory, 'run.json'), 'utf8')) as {
    listeners: readonly { protocol: string; port: number }[];
  };
  return { hub, base: `http://127.0.0.1:${run.listeners.find(({ protocol }) => protocol === 'web')!.port}` };
}

/** A browser that is logged in. */
export async function logIn(base: string, scope: 'admin' | 'user', username: string, password: string): Promise<ApiClient> {
  const client = new ApiClient(base);
  const { status, body } = await client.post('/session', { scope, username, password });
  if (status !== 200) throw new Error(`${username} cannot log in: ${JSON.stringify(body)}`);
  return client;
}
