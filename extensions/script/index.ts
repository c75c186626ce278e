import { resolve } from 'node:path';
import { defineExtension, type ExtensionHost, inheritedEnvironment } from '#core/api.js';
import { HookDirectory, type HookFile, toRules } from './directory.js';
import { makeHooksFolder } from './examples.js';
import { HookAction, type ScriptOptions, scriptOptions } from './hook-action.js';
import { type ScriptConfig, scriptConfig } from './options.js';
import { HookRunner } from './runner.js';
import { FolderWatch } from './watch.js';

const MARGIN_MS = 30_000;
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'TZ'];

/** Action type `script`, and the hooks folder whose file names are rules. */
export default defineExtension({
  name: 'script',
  api: '^1.0.0',
  options: scriptConfig,
  register(hub, config) {
    const folder = resolve(hub.dataDirectory, config.directory);
    const directory = new HookDirectory(folder);
    hub.reserve(folder);
    registerAction(hub, config, folder);
    hub.report('hooks', async () => (config.enabled ? (await directory.scan()).map(toRow) : []));
    hub.report('hooks-folder', async () => ({ folder, enabled: config.enabled }));
    if (config.enabled) watchFolder(hub, directory);
  },
});

function registerAction(hub: ExtensionHost, config: ScriptConfig, folder: string): void {
  const environment = inheritedEnvironment([...PASSED_ON, ...config.environment]);
  const runner = new HookRunner({ folder, environment, concurrency: config.concurrency, enabled: config.enabled });
  const action = new HookAction(runner, hub, { timeoutMs: config.timeout, guardTimeoutMs: config.guardTimeout });
  hub.action<ScriptOptions>({
    name: 'script',
    options: scriptOptions,
    timeoutMs: options => (options.timeoutMs ?? config.timeout) + MARGIN_MS,
    run: (options, delivery, signal) => action.run(options, delivery, signal),
    decide: (options, request, signal) => action.decide(options, request, signal),
  });
}

function watchFolder(hub: ExtensionHost, directory: HookDirectory): void {
  const setRules = hub.rules('hooks');
  const seen = new SeenHooks(hub);
  let current: string | undefined;
  const update = async () => {
    const hooks = await directory.scan();
    const rules = toRules(hooks);
    // Whoever watches the rules shows the files that are none, too.
    const text = JSON.stringify([rules, hooks.map(({ file, reason }) => [file, reason])]);
    if (text !== current) setRules(rules);
    current = text;
    seen.tell(hooks);
  };
  hub.onStart(async () => {
    await makeHooksFolder(directory.folder);
    const watch = new FolderWatch({
      folders: () => directory.watched(),
      onChange: () => update().catch(error => hub.log.warn({ err: error }, 'The hooks folder cannot be read')),
    });
    await watch.start();
    return () => watch.stop();
  });
}

/** Logs what becomes of each hook once. */
class SeenHooks {
  #states = new Map<string, string>();

  constructor(private readonly hub: Pick<ExtensionHost, 'log'>) {}

  tell(hooks: readonly HookFile[]): void {
    const states = new Map(hooks.map(({ file, reason }) => [file, reason ?? '']));
    for (const [file, reason] of states) {
      if (this.#states.get(file) === reason) continue;
      if (reason) this.hub.log.warn({ hook: file, reason }, `Hook rejected: ${reason}`);
      else this.hub.log.info({ hook: file }, 'Hook active');
    }
    for (const file of this.#states.keys()) if (!states.has(file)) this.hub.log.info({ hook: file }, 'Hook gone');
    this.#states = states;
  }
}

/** A hook as operators see it. */
interface HookRow {
  readonly file: string;
  readonly event: string;
  readonly status: 'active' | 'rejected';
  readonly reason: string;
  readonly conditions: string;
}

function toRow({ file, event, reason = '', header }: HookFile): HookRow {
  const { conditions, timeoutMs, onError } = header;
  const parts = [
    conditions.paths && `match=${conditions.paths.join(',')}`,
    conditions.users && `users=${conditions.users.join(',')}`,
    timeoutMs && `timeout=${timeoutMs}ms`,
    onError && `on-error=${onError}`,
  ];
  return { file, event, status: reason ? 'rejected' : 'active', reason, conditions: parts.filter(Boolean).join(' ') };
}
