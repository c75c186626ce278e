import type { Logger, LoginService, ProtocolContext } from '#core/api.js';
import { AdminLogin } from '#core/auth/admin-login.js';
import { SessionRegistry } from '#core/auth/session.js';
import { Setup } from '#core/auth/setup.js';
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
  readonly setup: Setup;
  readonly adminLogin: AdminLogin;
  readonly sessionRegistry: SessionRegistry;
}

/** Those of the hub that a web server belongs to. */
export function servicesFor(options: WebOptions, context: ProtocolContext): WebServices {
  return {
    options,
    log: context.log,
    login: context.login,
    operations: servicesOf(context.resolve(HUB)),
    setup: context.resolve(Setup),
    adminLogin: context.resolve(AdminLogin),
    sessionRegistry: context.resolve(SessionRegistry),
  };
}
