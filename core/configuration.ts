import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigSources } from './config/load.js';
import { type Config, configSchema } from './config/schema.js';
import type { Extension } from './extensions/extension.js';
import { importExtension, type LoadedExtension, requireCompatible } from './extensions/loader.js';
import type { ProtocolType } from './protocol.js';

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
  const sources = await ConfigSources.read({ file: input.configFile, env: input.env, values: input.values });
  const config = sources.parse([], configSchema);
  const shipped = input.bundled.map(extension => ({ key: extension.name, extension }));
  const named = sources.keys(['extensions']).filter(key => !shipped.some(({ extension }) => extension.name === key));
  const directories = [...(input.configFile === undefined ? [] : [dirname(resolve(input.configFile))]), process.cwd(), input.dataDirectory];
  const loaded = [...shipped];
  for (const key of named) loaded.push(await importExtension(key, directories));
  for (const extension of loaded) requireCompatible(extension);
  const extensions = loaded.map(one => ({
    loaded: one,
    options: sources.parse(['extensions', one.key], one.extension.options ?? z.strictObject({})),
  }));
  return { sources, config, extensions };
}

/** Checks the sections of the protocols, and then that nothing is left which nobody knows. Throws 'invalid-request' with sentences that name the place. */
export function readProtocols({ sources }: Configuration, types: Iterable<ProtocolType>): readonly ConfiguredProtocol[] {
  const configured = [...types].map(type => ({ type, options: sources.parse(['protocols', type.name], type.options) }));
  sources.finish();
  return configured;
}
