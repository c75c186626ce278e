import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError } from './config/config-error.js';
import { ConfigSources } from './config/load.js';
import { type Config, configSchema } from './config/schema.js';
import type { Extension } from './extensions/extension.js';
import { importExtension, type LoadedExtension, requireCompatible } from './extensions/loader.js';
import type { ProtocolType } from './protocol.js';
import { HUB_VERSION } from './version.js';

/** Where the configuration comes from, and what is shipped. */
export interface ConfigurationInput {
  readonly dataDirectory: string;
  readonly configFile?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Values that replace the file's: for tests and for `entrepot portable`. */
  readonly values?: object | undefined;
  readonly bundled: readonly Extension[];
}

/** What the hub reads before it opens anything. */
export interface Configuration {
  readonly sources: ConfigSources;
  readonly config: Config;
  readonly extensions: readonly { readonly loaded: LoadedExtension; readonly options: unknown }[];
}

/** A protocol and its section of the configuration. */
export interface ConfiguredProtocol {
  readonly type: ProtocolType;
  readonly options: unknown;
}

/** Reads file and environment, imports the extensions that they name, and checks their options. Throws 'invalid-request' with sentences that name the place. */
export async function readConfiguration(input: ConfigurationInput): Promise<Configuration> {
  const { sources, config, extensions, problems } = await readSections(input);
  if (!config || problems.length > 0) throw new ConfigError(problems);
  return { sources, config, extensions };
}

/** Checks the sections of the protocols, and then that nothing is left which nobody knows. Throws 'invalid-request' with sentences that name the place. */
export function readProtocols({ sources }: Pick<Configuration, 'sources'>, types: Iterable<ProtocolType>): readonly ConfiguredProtocol[] {
  const problems: string[] = [];
  const configured = [...types].flatMap(type => {
    const options = gather(problems, () => ({ read: sources.parse(['protocols', type.name], type.options) }));
    return options ? [{ type, options: options.read }] : [];
  });
  gather(problems, () => sources.finish());
  if (problems.length > 0) throw new ConfigError(problems);
  return configured;
}

/**
 * Both of them at once: what is wrong in any section and what nobody knows is told together. `protocolsOf` gives what an
 * extension would register. Throws 'invalid-request' with sentences that name the place.
 */
export async function readEverything(
  input: ConfigurationInput,
  protocolsOf: (extension: Extension, options: unknown) => readonly ProtocolType[],
): Promise<Configuration & { readonly protocols: readonly ConfiguredProtocol[] }> {
  const { sources, config, extensions, problems, complete } = await readSections(input);
  const types = extensions.flatMap(({ loaded, options }) => protocolsOf(loaded.extension, options));
  // Where an extension could not be asked, its protocols would count as unknown.
  const protocols = complete && gather(problems, () => readProtocols({ sources }, types));
  if (!config || !protocols || problems.length > 0) throw new ConfigError([...new Set(problems)]);
  return { sources, config, extensions, protocols };
}

interface Sections extends Omit<Configuration, 'config'> {
  readonly config: Config | undefined;
  readonly problems: string[];
  /** Whether every extension's options could be read. */
  readonly complete: boolean;
}

async function readSections(input: ConfigurationInput): Promise<Sections> {
  const sources = await ConfigSources.read({ file: input.configFile, env: input.env, values: input.values });
  const problems: string[] = [];
  const config = gather(problems, () => sources.parse([], configSchema));
  const shipped = input.bundled.map(extension => ({ key: extension.name, extension, version: extension.version ?? HUB_VERSION }));
  const named = sources.keys(['extensions']).filter(key => !shipped.some(({ extension }) => extension.name === key));
  const directories = [...(input.configFile === undefined ? [] : [dirname(resolve(input.configFile))]), process.cwd(), input.dataDirectory];
  const loaded: LoadedExtension[] = [...shipped];
  for (const key of named) loaded.push(await importExtension(key, directories));
  for (const extension of loaded) requireCompatible(extension);
  const extensions = loaded.flatMap(one => {
    const options = gather(problems, () => ({ read: sources.parse(['extensions', one.key], one.extension.options ?? z.strictObject({})) }));
    return options ? [{ loaded: one, options: options.read }] : [];
  });
  return { sources, config, extensions, problems, complete: extensions.length === loaded.length };
}

/** What `read` gives; undefined when it throws ConfigError, whose problems are added to `problems`. */
function gather<T>(problems: string[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}
