import { resolve } from 'node:path';
import { type Configuration, type ConfiguredProtocol, readEverything } from '../configuration.js';
import { HubError } from '../errors.js';
import type { Extension, ExtensionHost } from '../extensions/extension.js';
import { createLogger } from '../log.js';
import { Outbound } from '../outbound.js';
import type { ProtocolType } from '../protocol.js';
import type { CliContext, GlobalOptions } from './context.js';

/** Reads the whole configuration, with the sections of protocols and extensions, and opens nothing. Throws ConfigError. */
export async function readAll(
  context: CliContext,
  options: GlobalOptions,
): Promise<Configuration & { readonly protocols: readonly ConfiguredProtocol[] }> {
  const { bundled } = await context.loadShipped();
  const input = { dataDirectory: options.dataDir, configFile: options.config, env: context.env, bundled };
  return readEverything(input, (extension, section) => protocolsOf(extension, section, options.dataDir));
}

/** The protocols that an extension registers, learnt by letting it register where nothing else comes of it. */
export function protocolsOf(extension: Extension, options: unknown, dataDirectory: string): readonly ProtocolType[] {
  const found: ProtocolType[] = [];
  const nothing = () => undefined;
  const host: ExtensionHost = {
    log: createLogger('silent', 'json'),
    dataDirectory: resolve(dataDirectory),
    outbound: new Outbound({ allow: [], timeoutMs: 1 }),
    localPath: async () => undefined,
    protocol: type => void found.push(type as ProtocolType),
    reserve: nothing,
    backend: nothing,
    authenticator: nothing,
    action: nothing,
    on: nothing,
    guard: nothing,
    rules: () => nothing,
    every: nothing,
    onStart: nothing,
    report: nothing,
  };
  try {
    extension.register(host, options);
  } catch (error) {
    throw new HubError('invalid-request', `Extension '${extension.name}' could not be registered: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return found;
}
