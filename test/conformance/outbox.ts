import 'reflect-metadata';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { LocalCoordinator } from '#core/cluster/local.js';
import type { Database } from '#core/db/database.js';
import { DeliveryRepository } from '#core/db/deliveries.js';
import { EventRepository } from '#core/db/events.js';
import { openDatabase } from '#core/db/open.js';
import { RuleRepository } from '#core/db/rules.js';
import { ActionTypes } from '#core/events/actions.js';
import type { EventQueue } from '#core/events/queue.js';
import { RuleTable } from '#core/events/rules.js';
import { EventSettings } from '#core/events/settings.js';
import type { HubEvent } from '#core/events/types.js';
import { Guards } from '#core/guards.js';
import { uuidv7 } from '#core/ids.js';
import { createLogger } from '#core/log.js';
import { Secrets } from '#core/secrets.js';
import { migrations } from '../../migrations/index.js';

/** What a queue driver is built from. */
export interface QueueParts {
  readonly deliveries: DeliveryRepository;
  readonly rules: RuleTable;
  readonly coordinator: LocalCoordinator;
  readonly settings: EventSettings;
  /** The same for queues on one outbox, and for no others. */
  readonly directory: string;
}

/** Limits that tests change. */
export type OutboxOptions = Partial<
  Pick<EventSettings, 'concurrency' | 'leaseMs' | 'retryMs' | 'record' | 'node' | 'process' | 'hasOthers' | 'unknownTargetMs'>
>;

const log = createLogger('silent');

/** What a test that is run on several kinds of databases has in its context. */
export interface DatabaseContext {
  /** The address of an empty database of the kind. */
  readonly freshDatabase?: () => Promise<string>;
}

/** The address of an empty database of the kind that the test is run on; undefined where it is run on none in particular. */
export async function freshDatabase(t: ExecutionContext): Promise<string | undefined> {
  return (t.context as DatabaseContext).freshDatabase?.();
}

/** The addresses of the databases of outboxes, by their directories. */
const urls = new Map<string, string>();

/** The tables of events and deliveries in a database of their own, with everything around them, for one test. */
export class Outbox implements QueueParts {
  readonly events: EventRepository;
  readonly deliveries: DeliveryRepository;
  readonly stored: RuleRepository;
  readonly guards = new Guards(5_000);
  readonly actions = new ActionTypes();
  readonly coordinator = new LocalCoordinator();
  readonly settings: EventSettings;
  readonly rules: RuleTable;

  private constructor(
    readonly database: Database,
    readonly directory: string,
    options: OutboxOptions,
  ) {
    this.settings = new EventSettings({ node: 'here', log, ...options });
    this.events = new EventRepository(database);
    this.deliveries = new DeliveryRepository(database);
    this.stored = new RuleRepository(database, this.coordinator, new Secrets(Buffer.alloc(32, 1)));
    this.rules = new RuleTable(this.guards, this.actions, this.settings);
  }

  /** Opens an outbox that is removed when the test ends; with `directory`, a second connection to the one that is there. */
  static async open(t: ExecutionContext, options: OutboxOptions = {}, directory?: string): Promise<Outbox> {
    const folder = directory ?? (await mkdtemp(join(tmpdir(), 'entrepot-outbox-')));
    const url = urls.get(folder) ?? (await freshDatabase(t)) ?? 'sqlite:hub.db';
    urls.set(folder, url);
    const database = await openDatabase({ url, durability: 'process', dataDirectory: folder, log });
    await database.migrate(migrations);
    t.teardown(async () => {
      await database.close();
      if (directory === undefined) await rm(folder, { recursive: true, force: true });
    });
    return new Outbox(database, folder, options);
  }

  /** Records an event that is wanted by `targets`, without telling any queue. */
  async publish(...targets: readonly string[]): Promise<HubEvent> {
    const event = testEvent();
    await this.events.record({ event, user: undefined, path: undefined, targets });
    return event;
  }

  wake(): void {
    this.coordinator.broadcast('deliveries.waiting', {});
  }
}

/** An event that says nothing. */
export function testEvent(): HubEvent<'webhook.test'> {
  return {
    specversion: '1.0',
    id: uuidv7(),
    type: 'webhook.test',
    source: 'entrepot/here',
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data: { message: 'test' },
  };
}

/** Stops a queue at the end of a test, before its database is closed. */
export function stopAtEnd(t: ExecutionContext, queue: EventQueue): EventQueue {
  t.teardown(() => queue.stop(AbortSignal.abort()));
  return queue;
}

/** Resolves to what `look` gives as soon as that is neither undefined nor false; the test's own limit ends it otherwise. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await sleep(10);
  }
}
