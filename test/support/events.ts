import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { until } from './children.js';
import type { HubProcess } from './hub-process.js';
import type { CloudEvent, Receiver } from './receiver.js';

/** A delivery as `deliveries show --json` tells it. */
export interface ShownDelivery {
  readonly id: string;
  readonly target: string;
  readonly state: string;
  readonly tries: readonly {
    readonly attempt: number;
    readonly succeeded: boolean;
    readonly durationMs: number;
    readonly summary: string;
    readonly answer?: string;
  }[];
}

/** The events of a type that are in the log at `path` and below, as `events list --json` tells them, up to the thousand newest. */
export async function listEvents(hub: HubProcess, type: string, path = '/'): Promise<CloudEvent[]> {
  const filter = ['--type', type, '--path', path];
  const { items } = await hub.json<{ readonly items: CloudEvent[] }>(['events', 'list', ...filter, '--limit', '1000']);
  return items;
}

/** The newest deliveries, each with its tries. */
export async function listDeliveries(hub: HubProcess, limit = 100): Promise<ShownDelivery[]> {
  const { items } = await hub.json<{ readonly items: readonly { readonly id: string }[] }>([
    'deliveries',
    'list',
    '--limit',
    String(limit),
  ]);
  return Promise.all(items.map(({ id }) => hub.json<ShownDelivery>(['deliveries', 'show', id])));
}

/** The states of the newest deliveries. */
export async function deliveryStates(hub: HubProcess): Promise<string[]> {
  const { items } = await hub.json<{ readonly items: readonly { readonly state: string }[] }>(['deliveries', 'list', '--limit', '1000']);
  return items.map(({ state }) => state);
}

/** Adds a webhook for the receiver, which verifies with its secret from then on. Gives its id. */
export async function addWebhook(hub: HubProcess, receiver: Receiver, ...types: string[]): Promise<string> {
  const added = await hub.json<{ readonly id: string; readonly secret: string }>([
    'webhook',
    'add',
    receiver.url,
    ...types.flatMap(type => ['--event', type]),
  ]);
  receiver.trust(added.secret);
  return added.id;
}

/** Waits until the receiver has taken `count` deliveries of a type, and then a moment longer for any that should not come. */
export async function delivered(receiver: Receiver, type: string, count: number, limitMs = 60_000): Promise<void> {
  await until(`${count} deliveries of ${type}`, () => receiver.accepted(type).length >= count, limitMs).catch(error => {
    throw new Error(`${(error as Error).message}; ${receiver.accepted(type).length} came`);
  });
  await new Promise(resolve => setTimeout(resolve, 300));
}

/** Drops a hook into the hub's folder, executable. */
export async function dropHook(hub: HubProcess, name: string, text: string): Promise<void> {
  const file = join(hub.hooks, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text, { mode: 0o700 });
  await chmod(file, 0o700);
}

/** Asserts that every path got exactly one event and one verified delivery, the same id in both. */
export function exactlyOnce(paths: readonly string[], events: readonly CloudEvent[], receiver: Receiver, type: string): void {
  const accepted = receiver.accepted(type);
  for (const path of paths) {
    const recorded = events.filter(event => event.data.path === path);
    const got = accepted.filter(received => received.body.data.path === path);
    assert.equal(recorded.length, 1, `${path}: ${recorded.length} events`);
    assert.equal(got.length, 1, `${path}: ${got.length} deliveries`);
    assert.equal(got[0]?.id, recorded[0]?.id, `${path}: the delivery has another id than the event`);
    assert.equal(got[0]?.body.id, got[0]?.id, `${path}: the body has another id than the header`);
    assert.equal(got[0]?.verified, true, `${path}: the signature is wrong`);
  }
}
