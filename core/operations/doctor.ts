import { z } from 'zod';
import { certificateOperations } from './certificates.js';
import { checkPlainText, examineMachine, type Finding, guarded } from './machine-checks.js';
import { operation } from './operation.js';
import { checkRedis } from './redis-checks.js';
import type { OperationServices } from './services.js';
import { storageOperations } from './storages.js';

/** What is wrong, or might become so. */
export const doctorOperations = {
  /** Looks at everything that can keep the hub from working, and changes nothing. `machine: false` leaves out what can be seen without a hub. */
  'doctor.run': operation(z.strictObject({ machine: z.boolean().default(true) }), async (services, { machine }) => {
    const checks = [
      machine ? examineMachine(services.dataDirectory) : [],
      machine ? checkListeners(services) : [],
      machine ? guarded('redis', () => checkRedis(services.config)) : [],
      guarded('database', () => checkDatabase(services)),
      guarded('storages', () => checkStorages(services)),
      guarded('hooks', () => checkHooks(services)),
      guarded('certificates', () => checkCertificates(services)),
    ];
    return (await Promise.all(checks)).flat();
  }),
};

function checkListeners({ listeners, configuredProtocols }: OperationServices): readonly Finding[] {
  const bound = listeners.map(
    ({ protocol, host, port }): Finding => ({ check: `port ${port}`, result: 'ok', detail: `listens for ${protocol} at ${host}` }),
  );
  return [...bound, ...configuredProtocols.flatMap(({ name, options }) => checkPlainText(name, options))];
}

async function checkDatabase({ inspectDatabase }: OperationServices): Promise<readonly Finding[]> {
  return (await inspectDatabase()).map(finding => ({ check: 'database', ...finding }));
}

async function checkStorages(services: OperationServices): Promise<readonly Finding[]> {
  const storages = await storageOperations['storages.list'].run(services, {});
  return Promise.all(
    storages.map(async ({ name }): Promise<Finding> => {
      const { ok, message, durationMs } = await storageOperations['storages.test'].run(services, { name });
      return { check: `storage ${name}`, result: ok ? 'ok' : 'fail', detail: ok ? `${durationMs} ms` : message };
    }),
  );
}

async function checkHooks({ reports }: OperationServices): Promise<readonly Finding[]> {
  const rows = ((await reports.get('hooks')?.()) ?? []) as readonly { readonly file?: string; readonly reason?: string }[];
  const rejected = rows.filter(({ reason }) => reason);
  if (rejected.length === 0) return [{ check: 'hooks', result: 'ok', detail: `${rows.length} in the folder` }];
  return rejected.map(({ file, reason }) => ({ check: `hook ${file}`, result: 'warn', detail: String(reason) }));
}

async function checkCertificates(services: OperationServices): Promise<readonly Finding[]> {
  const rows = await certificateOperations['certificates.list'].run(services, {});
  return rows.map(({ names, certificate, result, detail }) => ({ check: `certificate ${names[0] ?? certificate}`, result, detail }));
}
