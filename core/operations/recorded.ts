import { toHubError } from '../errors.js';
import type { OperationServices } from './services.js';

/** Operations that change nothing, by their last word. */
const READS = /\.(list|show|tail|status|browse|test|try|run)$/;
/** Fields of which the first that is there names what an operation is about. */
const TARGETS = ['username', 'name', 'id', 'subject', 'range', 'kid', 'algorithm'];

/** Runs an operation of the command line and records, where it changes something, that it was done or why it was refused. */
export async function recorded<T>(services: OperationServices, action: string, input: unknown, work: () => Promise<T>): Promise<T> {
  const given = input as Readonly<Record<string, unknown>>;
  if (READS.test(action) || given.dryRun === true) return work();
  const target = TARGETS.map(field => given[field]).find(value => typeof value === 'string') ?? '';
  const act = { admin: '(command line)', role: 'owner', remoteAddress: 'local', action, target: String(target).slice(0, 512) };
  const record = (refused?: string) =>
    services.bus
      .publish('admin.acted', { ...act, fields: Object.keys(given), ...(refused !== undefined && { refused }) })
      .catch((error: unknown) => services.log.warn({ err: error, action }, 'what was done by the command line could not be recorded'));
  return withOutcome(work, record);
}

/** Runs `work`, then `record`: with why it failed, in words, where it did. */
export async function withOutcome<T>(work: () => Promise<T>, record: (refused?: string) => Promise<void>): Promise<T> {
  const done = await work().catch(async (error: unknown) => {
    await record(toHubError(error).message);
    throw error;
  });
  await record();
  return done;
}
