import 'reflect-metadata';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type InjectionToken, instanceCachingFactory } from 'tsyringe';
import { EventBus, type OperationProof, type PendingEvent } from '#core/events/bus.js';
import { OutboxEventBus } from '#core/events/outbox-event-bus.js';
import type { EventType, EventTypes, HubEvent } from '#core/events/types.js';
import { Hub } from '#core/hub.js';
import { bundled, migrations } from '#extensions/bundled.js';

/** What the kill harness must catch: events are recorded a moment after the client heard OK. Everything else is the product's. */
class LateEventBus extends EventBus {
  constructor(private readonly bus: EventBus) {
    super();
  }

  publish<T extends EventType>(type: T, data: EventTypes[T]): Promise<void> {
    return this.bus.publish(type, data);
  }

  async prepare<T extends EventType>(type: T, data: EventTypes[T], _proof: OperationProof): Promise<PendingEvent> {
    const settle = () => void setTimeout(() => this.bus.publish(type, data).catch(() => {}), 50 + Math.random() * 150);
    return { settle, drop: async () => {} };
  }

  listen<T extends EventType>(type: T | '*', listener: (event: HubEvent<T>) => void): () => void {
    return this.bus.listen(type, listener);
  }

  flush(): Promise<void> {
    return this.bus.flush();
  }
}

const dataDirectory = process.env.TEST_DATA_DIRECTORY ?? '';
const hub = await Hub.open({
  dataDirectory,
  env: Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('ENTREPOT_'))),
  bundled,
  migrations,
  configure: container => {
    container.registerSingleton(OutboxEventBus);
    container.register(EventBus as InjectionToken<EventBus>, {
      useFactory: instanceCachingFactory(c => new LateEventBus(c.resolve(OutboxEventBus))),
    });
  },
});
await hub.start();
const running = join(dataDirectory, 'run.json');
await writeFile(`${running}.new`, JSON.stringify({ pid: process.pid, listeners: hub.listeners }));
await rename(`${running}.new`, running);
process.once('SIGTERM', () => void hub.stop().then(() => process.exit(0)));
