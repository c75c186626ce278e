import { randomToken } from '../ids.js';
import type { Logger } from '../log.js';
import { Metrics } from '../metrics.js';
import { DEFAULT_DELAYS_MS } from './retry.js';

/** How events are recorded and delivered; one instance a hub, made from the configuration. */
export class EventSettings {
  /** Name of this machine: events come from 'entrepot/<node>', claims are made in its name. */
  readonly node: string;
  /** Names this process in what it has under way; begins anew with each start. */
  readonly process: string;
  /** Whether others may take this process for dead, and what it has under way for theirs. */
  readonly isDoubtful: () => boolean;
  /** Whether there can be others who take over what this process has under way. */
  readonly hasOthers: boolean;
  /** Types, or patterns such as 'upload.*', that are kept in the log also when no target wants them. */
  readonly record: readonly string[];
  /** Waits after each failed try. */
  readonly retryMs: readonly number[];
  /** How long events are kept whose deliveries are done. */
  readonly keepMs: number;
  /** Deliveries at the same time in this process; one target gets a quarter of them at most. */
  readonly concurrency: number;
  /** How long a claim holds unless it is renewed, which happens three times in that time. */
  readonly leaseMs: number;
  /** How long it is waited for a process that knows a target that this one does not; 0 where there is no other. */
  readonly unknownTargetMs: number;
  readonly log: Logger;
  /** Where times and tries are counted. */
  readonly metrics: Metrics;

  constructor(settings: Partial<EventSettings> & Pick<EventSettings, 'node' | 'log'>) {
    this.node = settings.node;
    this.log = settings.log;
    this.process = settings.process ?? randomToken(6);
    this.metrics = settings.metrics ?? new Metrics();
    this.isDoubtful = settings.isDoubtful ?? (() => false);
    this.hasOthers = settings.hasOthers ?? false;
    this.record = settings.record ?? ['*'];
    this.retryMs = settings.retryMs ?? DEFAULT_DELAYS_MS;
    this.keepMs = settings.keepMs ?? 30 * 86_400_000;
    this.concurrency = settings.concurrency ?? 32;
    this.unknownTargetMs = settings.unknownTargetMs ?? 0;
    this.leaseMs = settings.leaseMs ?? 60_000;
  }
}
