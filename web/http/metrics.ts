import type { Request, Server } from '@hapi/hapi';
import type { Registry } from 'prom-client';
import { addressWithin, HUB_VERSION, HubError } from '#core/api.js';
import { DELIVERY_STATES } from '#core/db/delivery-states.js';
import type { HubEvent } from '#core/events/types.js';
import { authenticate } from '../auth/authenticate.js';
import type { WebServices } from '../services.js';
import { clientOf } from './client.js';

const LOOPBACK = ['127.0.0.0/8', '::1'];

/** /metrics for Prometheus: for whoever asks on the machine itself, and with a key of an admin. Loaded with the first request. */
export function addMetrics(server: Server, services: WebServices): void {
  let registry: Promise<Registry> | undefined;
  server.route({
    method: 'GET',
    path: `${services.options.basePath}metrics`,
    handler: async (request, h) => {
      await requireReader(request, services);
      registry ??= buildRegistry(services);
      const ready = await registry;
      return h
        .response(await ready.metrics())
        .type(ready.contentType)
        .header('cache-control', 'no-store');
    },
  });
}

async function requireReader(request: Request, services: WebServices): Promise<void> {
  const caller = await authenticate(request, services);
  if (caller?.kind === 'admin' || addressWithin(clientOf(request, services.options).remoteAddress, LOOPBACK)) return;
  if (caller) throw new HubError('permission-denied', 'This is for an admin');
  throw new HubError('authentication-failed', 'Send a key of an admin');
}

async function buildRegistry(services: WebServices): Promise<Registry> {
  const { Counter, collectDefaultMetrics, Gauge, Registry } = await import('prom-client');
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const { operations, bus } = services;
  new Gauge({ name: 'entrepot_build_info', help: 'Always 1', labelNames: ['version'], registers }).set({ version: HUB_VERSION }, 1);
  new Gauge({
    name: 'entrepot_sessions_active',
    help: 'Sessions of users that are open',
    labelNames: ['protocol'],
    registers,
    async collect() {
      this.reset();
      for (const protocol of operations.protocols) this.set({ protocol }, 0);
      for (const { protocol } of await operations.sessions.list()) this.inc({ protocol });
    },
  });
  new Gauge({
    name: 'entrepot_deliveries',
    help: 'Deliveries on record, by state',
    labelNames: ['state'],
    registers,
    async collect() {
      for (const state of DELIVERY_STATES) this.set({ state }, 0);
      for (const { state, count } of await operations.deliveries.counts()) this.inc({ state }, count);
    },
  });
  new Gauge({
    name: 'entrepot_bans_active',
    help: 'Addresses and users that are turned away',
    registers,
    async collect() {
      this.set((await operations.bans.list()).length);
    },
  });
  const events = new Counter({ name: 'entrepot_events_total', help: 'Events since the first look', labelNames: ['type'], registers });
  const bytes = new Counter({
    name: 'entrepot_transfer_bytes_total',
    help: 'Bytes of transfers that have ended',
    labelNames: ['protocol', 'direction', 'result'],
    registers,
  });
  bus.listen('*', event => {
    events.inc({ type: event.type });
    const transfer = transferOf(event);
    if (transfer) bytes.inc({ protocol: transfer.protocol, direction: transfer.direction, result: transfer.result }, transfer.bytes);
  });
  return registry;
}

function transferOf({ type, data }: HubEvent) {
  const [direction, result] = type.split('.');
  if ((direction !== 'upload' && direction !== 'download') || !('session' in data) || !('bytes' in data)) return undefined;
  return { direction, result: result!, protocol: data.session.protocol, bytes: data.bytes };
}
