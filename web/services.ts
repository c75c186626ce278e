import type { InjectionToken } from 'tsyringe';
import type { Logger, LoginService, ProtocolContext } from '#core/api.js';
import { AdminLogin } from '#core/auth/admin-login.js';
import { Defence } from '#core/auth/defence.js';
import { Passwords } from '#core/auth/passwords.js';
import { SecondFactors } from '#core/auth/second-factor.js';
import { SessionRegistry } from '#core/auth/session.js';
import { Setup } from '#core/auth/setup.js';
import type { Figures } from '#core/cluster/figures.js';
import type { Configuration } from '#core/configuration.js';
import { Database } from '#core/db/database.js';
import { IdempotencyRepository } from '#core/db/idempotency.js';
import { IdentityRepository } from '#core/db/identities.js';
import { type OpenCount, openDeliveries } from '#core/db/open-deliveries.js';
import { EventBus } from '#core/events/bus.js';
import { LiveRelay } from '#core/events/live-relay.js';
import { HUB } from '#core/hub.js';
import { servicesOf } from '#core/operations/hub-services.js';
import type { OperationServices } from '#core/operations/services.js';
import type { WebOptions } from './options.js';

/** What the routes work with. */
export interface WebServices {
  readonly options: WebOptions;
  readonly log: Logger;
  readonly login: LoginService;
  readonly operations: OperationServices;
  readonly configuration: Configuration;
  readonly bus: EventBus;
  readonly live: LiveRelay;
  /** Of every process of this hub on this machine, this one first. */
  readonly figures: () => Promise<readonly Figures[]>;
  readonly openDeliveries: () => Promise<readonly OpenCount[]>;
  /** How often transactions of this process were made again. */
  readonly databaseRetries: () => number;
  /** Whether new clients should come. */
  readonly isReady: () => boolean;
  readonly setup: Setup;
  readonly adminLogin: AdminLogin;
  readonly sessionRegistry: SessionRegistry;
  readonly secondFactors: SecondFactors;
  readonly idempotency: IdempotencyRepository;
  readonly identities: IdentityRepository;
  readonly defence: Defence;
  readonly passwords: Passwords;
}

/** Those of the hub that a web server belongs to. */
export function servicesFor(options: WebOptions, context: ProtocolContext): WebServices {
  const hub = context.resolve(HUB);
  return {
    options,
    log: context.log,
    login: context.login,
    operations: servicesOf(hub),
    configuration: hub.configuration,
    bus: context.resolve(EventBus as InjectionToken<EventBus>),
    live: context.resolve(LiveRelay),
    figures: () => hub.figures(),
    openDeliveries: () => openDeliveries(context.resolve(Database as InjectionToken<Database>)),
    databaseRetries: () => context.resolve(Database as InjectionToken<Database>).retries,
    isReady: () => hub.isReady,
    setup: context.resolve(Setup),
    adminLogin: context.resolve(AdminLogin),
    sessionRegistry: context.resolve(SessionRegistry),
    secondFactors: context.resolve(SecondFactors),
    idempotency: context.resolve(IdempotencyRepository),
    identities: context.resolve(IdentityRepository),
    defence: context.resolve(Defence),
    passwords: context.resolve(Passwords),
  };
}
