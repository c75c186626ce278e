import type { Metrics } from '../metrics.js';
import type { EventBus } from './bus.js';
import type { HubEvent } from './types.js';

/** Failures that are the storage's, and not what a client asked for or did. */
const STORAGE_FAILURES: readonly string[] = ['unavailable', 'internal'];

/** Counts what the events of this process tell, from now on; `protocols` are shown before anything happened. Returns what stops it. */
export function countEvents(bus: EventBus, metrics: Metrics, protocols: readonly string[]): () => void {
  for (const result of ['completed', 'failed']) {
    metrics.count('entrepot_backups_total', { result }, 0);
    for (const protocol of protocols) {
      metrics.count('entrepot_logins_total', { protocol, result: result === 'completed' ? 'succeeded' : result }, 0);
      for (const direction of ['upload', 'download']) {
        metrics.count('entrepot_transfers_total', { protocol, direction, result }, 0);
        metrics.count('entrepot_transfer_bytes_total', { protocol, direction, result }, 0);
      }
    }
  }
  return bus.listen('*', event => {
    metrics.count('entrepot_events_total', { type: event.type });
    count(event, metrics);
  });
}

function count(event: HubEvent, metrics: Metrics): void {
  switch (event.type) {
    case 'login.succeeded':
      metrics.count('entrepot_logins_total', { protocol: event.data.session.protocol, result: 'succeeded' });
      break;
    case 'login.failed':
      metrics.count('entrepot_logins_total', { protocol: event.data.protocol, result: 'failed' });
      break;
    case 'backup.completed':
    case 'backup.failed':
      metrics.count('entrepot_backups_total', { result: event.type === 'backup.failed' ? 'failed' : 'completed' });
      break;
    case 'upload.completed':
    case 'upload.failed':
    case 'download.completed':
    case 'download.failed':
      countTransfer(event, metrics);
      break;
    default:
  }
}

type TransferEnded = HubEvent<'upload.completed' | 'upload.failed' | 'download.completed' | 'download.failed'>;

function countTransfer({ type, data }: TransferEnded, metrics: Metrics): void {
  const [direction, result] = type.split('.') as [string, string];
  const { protocol } = data.session;
  metrics.count('entrepot_transfers_total', { protocol, direction, result });
  metrics.count('entrepot_transfer_bytes_total', { protocol, direction, result }, data.bytes);
  if (result === 'completed') metrics.observe('entrepot_transfer_duration_seconds', { protocol, direction }, data.durationMs / 1_000);
  const code = 'code' in data ? data.code : undefined;
  if (code !== undefined && STORAGE_FAILURES.includes(code))
    metrics.count('entrepot_storage_errors_total', { storage: data.storage, code });
}
