import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { until } from './children.js';
import type { HubProcess } from './hub-process.js';
import type { CloudEvent, Receiver } from './receiver.js';

/** A delivery as `deliveries list --json` and `deliveries show --json` tell it. */
export interface DeliveryRecord {
  readonly id: string;
  readonly state: string;
  readonly attempts: unknown;
}

/** The rows in what a list command printed: it prints them as an array, or under `items`. */
export function rows<T>(printed: unknown): T[] {
  if (Array.isArray(printed)) return printed as T[];
  const { items } = printed as { readonly items?: T[] };
  assert.ok(Array.isArray(items), `a list command printed neither an array nor items: ${JSON.stringify(printed).slice(0, 200)}`);
  return items;
}

/** The newest events of a type, newest or oldest first as the command gives them. */
export async function listEvents(hub: HubProcess, type: string, limit = 1_000): Promise<CloudEvent[]> {
  return rows<CloudEvent>(await hub.json(['events', 'list', '--type', type, '--limit', String(limit)]));
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
