import { injectable } from 'tsyringe';
import { foldUsername } from '../db/names.js';
import { HubError } from '../errors.js';
import { compileGlob } from '../glob.js';
import { GUARDED_ACTIONS, type GuardedAction, type GuardedActionName, type GuardedActions, Guards } from '../guards.js';
import type { ActionType } from './action.js';
import { ActionTypes } from './actions.js';
import type { Delivery, TargetLimits } from './delivery.js';
import { type Facts, factsOf } from './facts.js';
import type { Rule, RuleAction, RuleConditions } from './rule.js';
import { EventSettings } from './settings.js';
import { type EventType, type HubEvent, matchesType } from './types.js';

export type { Rule, RuleAction, RuleConditions } from './rule.js';

/** What an event is delivered to. */
export interface Target {
  /** 'rule/<id>/<position>' or 'handler/<extension>/<name>'; the id of a rule from elsewhere than the database is '<source>:<id>'. */
  readonly id: string;
}

/** A target as administrators see it. */
export interface TargetInfo extends Target {
  /** The type of its action, or 'handler'. */
  readonly kind: string;
  readonly name: string;
  /** The id of its rule, where that is one of the database. */
  readonly rule: string | undefined;
  readonly enabled: boolean;
  readonly events: readonly string[];
}

/** What an extension does with an event. */
export type Handler<T extends EventType = EventType> = (event: HubEvent<T>, delivery: Delivery<T>, signal: AbortSignal) => Promise<void>;

/** What stands behind a target: an action of a rule, or a handler. */
export type TargetDefinition =
  | { readonly kind: 'action'; readonly source: string; readonly rule: Rule; readonly action: RuleAction }
  | { readonly kind: 'handler'; readonly handle: Handler };

interface CompiledRule {
  readonly source: string;
  readonly rule: Rule;
  readonly targets: readonly Target[];
  readonly matches: (facts: Facts) => boolean;
}

/** The source of rules that is kept in the database: their deliveries wait while the rule is disabled. */
export const DATABASE_RULES = 'database';

/** The rules in memory: which targets want an event, and whom to ask before an action. */
@injectable()
export class RuleTable {
  readonly #sources = new Map<string, readonly CompiledRule[]>();
  readonly #handlers: { readonly target: Target; readonly types: readonly string[] }[] = [];
  readonly #definitions = new Map<string, TargetDefinition>();
  readonly #guarded = new Set<GuardedActionName>();
  /** Of actions whose kind has some: reading options costs more than a look. */
  readonly #limits = new WeakMap<RuleAction, TargetLimits>();
  /** Rules that may want an event, by its type; forgotten when anything changes. */
  readonly #byType = new Map<string, readonly CompiledRule[]>();
  readonly #watchers = new Set<(source: string) => void>();

  constructor(
    private readonly guards: Guards,
    private readonly actions: ActionTypes,
    private readonly settings: EventSettings,
  ) {}

  /** Replaces all rules of `source`. A rule that cannot be understood is left out and logged. Takes effect with the next event. */
  setRules(source: string, rules: readonly Rule[]): void {
    for (const { targets } of this.#sources.get(source) ?? []) for (const target of targets) this.#definitions.delete(target.id);
    const compiled = rules.flatMap(rule => this.#compile(source, rule));
    this.#sources.set(source, compiled);
    this.#byType.clear();
    for (const { rule, targets } of compiled) {
      for (const [position, target] of targets.entries()) {
        this.#definitions.set(target.id, { kind: 'action', source, rule, action: rule.actions[position]! });
      }
      if (rule.enabled) for (const action of guardedActions(rule)) this.#guard(action);
    }
    for (const watcher of this.#watchers) watcher(source);
  }

  /** Tells `watcher`, which must not throw, of each source whose rules were set, until the function is called that is given. */
  watch(watcher: (source: string) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Adds a handler of an extension, `name` being '<extension>/<handler>'. Throws 'already-exists' when it is taken. */
  handler<T extends EventType>(name: string, types: readonly string[], handle: Handler<T>): void {
    const target = { id: `handler/${name}` };
    if (this.#definitions.has(target.id)) throw new HubError('already-exists', `There is already an event handler '${name}'`);
    this.#definitions.set(target.id, { kind: 'handler', handle: handle as unknown as Handler });
    this.#handlers.push({ target, types });
  }

  /** Everyone who wants `event`: handlers first, then the actions of enabled rules. */
  targetsFor(event: HubEvent<EventType>): readonly Target[] {
    const type: string = event.type;
    const handlers = this.#handlers.filter(handler => handler.types.some(pattern => matchesType(pattern, type)));
    const rules = this.#interested(type);
    const facts = rules.length > 0 ? factsOf(event.data) : undefined;
    return [
      ...handlers.map(handler => handler.target),
      ...rules.flatMap(({ matches, targets }) => (facts && matches(facts) ? targets : [])),
    ];
  }

  /** What stands behind a target, also when its rule is disabled; undefined when it is gone. */
  find(target: string): TargetDefinition | undefined {
    return this.#definitions.get(target);
  }

  /** Whether this process has what stands behind a target: a handler, or an action of a kind that there is. */
  canRun(target: string): boolean {
    const definition = this.#definitions.get(target);
    return definition !== undefined && (definition.kind === 'handler' || this.actions.get(definition.action.type) !== undefined);
  }

  /** Everyone who wants events: handlers first, then the actions of rules, of disabled ones too. */
  targets(): readonly TargetInfo[] {
    const handlers = this.#handlers.map(({ target: { id }, types }) => {
      return { id, kind: 'handler', name: id.slice('handler/'.length), rule: undefined, enabled: true, events: types };
    });
    const wanting = this.#all().filter(({ rule }) => rule.events.length > 0);
    const actions = wanting.flatMap(({ source, rule, targets }) =>
      targets.map(({ id }, position): TargetInfo => {
        const { type, options } = rule.actions[position]!;
        const name = typeof options.url === 'string' ? options.url : rule.name;
        const { enabled, events } = rule;
        return { id, kind: type, name, rule: source === DATABASE_RULES ? rule.id : undefined, enabled, events };
      }),
    );
    return [...handlers, ...actions];
  }

  /** What a target is, for figures: the type of its action such as 'webhook', 'handler', or 'gone'. */
  kindOf(target: string): string {
    const definition = this.find(target);
    return definition?.kind === 'action' ? definition.action.type : (definition?.kind ?? 'gone');
  }

  /** Whether deliveries to `target` wait: its rule is there and disabled. */
  isPaused(target: string): boolean {
    const definition = this.#definitions.get(target);
    return definition?.kind === 'action' && definition.source === DATABASE_RULES && !definition.rule.enabled;
  }

  /** What is known of the limits of `targets`; of those that have none, nothing. */
  limitsOf(targets: Iterable<string>): ReadonlyMap<string, TargetLimits> {
    const limited = new Map<string, TargetLimits>();
    for (const target of targets) {
      const definition = this.#definitions.get(target);
      const limits = definition?.kind === 'action' ? this.#limitsOf(definition.action) : undefined;
      if (limits?.concurrency !== undefined || limits?.rate) limited.set(target, limits);
    }
    return limited;
  }

  /** Throws 'invalid-request' for a rule that could not work: unknown action, wrong options, a pattern too long, nothing to do. */
  check(rule: Pick<Rule, 'events' | 'guards' | 'conditions' | 'actions'>): void {
    if (rule.events.length + rule.guards.length === 0) throw new HubError('invalid-request', 'A rule needs an event or a guarded action');
    if (rule.actions.length === 0) throw new HubError('invalid-request', 'A rule needs an action');
    compileConditions(rule.conditions);
    const unknown = rule.guards.find(name => !GUARDED_ACTIONS.some(action => action === name));
    if (unknown !== undefined)
      throw new HubError('invalid-request', `'${unknown}' cannot be guarded; what can: ${GUARDED_ACTIONS.join(', ')}`);
    for (const action of rule.actions) {
      const { type } = this.actions.prepare(action);
      if (rule.guards.length > 0 && !type.decide) throw new HubError('invalid-request', `Action '${type.name}' cannot decide beforehand`);
    }
  }

  #compile(source: string, rule: Rule): readonly CompiledRule[] {
    const id = source === DATABASE_RULES ? rule.id : `${source}:${rule.id}`;
    try {
      const matches = compileConditions(rule.conditions);
      return [{ source, rule, matches, targets: rule.actions.map((_, position) => ({ id: `rule/${id}/${position}` })) }];
    } catch (error) {
      this.settings.log.error({ err: error, rule: rule.name, source }, 'rule is left out');
      return [];
    }
  }

  #limitsOf(action: RuleAction): TargetLimits | undefined {
    if (!this.actions.get(action.type)?.limits) return undefined;
    let limits = this.#limits.get(action);
    if (!limits) {
      limits = limitsFrom(this.actions, action);
      this.#limits.set(action, limits);
    }
    return limits;
  }

  #interested(type: string): readonly CompiledRule[] {
    const known = this.#byType.get(type);
    if (known) return known;
    const rules = this.#all().filter(({ rule }) => rule.enabled && rule.events.some(pattern => matchesType(pattern, type)));
    this.#byType.set(type, rules);
    return rules;
  }

  #all(): readonly CompiledRule[] {
    return [...this.#sources.values()].flat();
  }

  /** Registered when the first rule wants it: an action without guards costs nothing. */
  #guard(action: GuardedActionName): void {
    if (this.#guarded.has(action)) return;
    this.#guarded.add(action);
    this.guards.register(action, (request, signal) => this.#decide(action, request, signal), Number.POSITIVE_INFINITY);
  }

  async #decide<A extends GuardedActionName>(action: A, request: GuardedActions[A], signal: AbortSignal): Promise<void> {
    const facts = factsOf(request);
    const asked = this.#all().filter(({ rule, matches }) => rule.enabled && rule.guards.includes(action) && matches(facts));
    for (const { rule } of asked) {
      for (const wanted of rule.actions) {
        const { type, options } = this.#deciding(rule, wanted);
        await type.decide(options, { action, ...request } as unknown as GuardedAction, signal);
      }
    }
  }

  /** One that cannot be asked has not allowed it; why is not the client's business. */
  #deciding(rule: Rule, action: RuleAction): { readonly type: Required<Pick<ActionType, 'decide'>>; readonly options: unknown } {
    try {
      const { type, options } = this.actions.prepare(action);
      if (type.decide) return { type: type as Required<Pick<ActionType, 'decide'>>, options };
      throw new HubError('invalid-request', `Action '${type.name}' cannot decide beforehand`);
    } catch (error) {
      this.settings.log.error({ err: error, rule: rule.name }, 'a rule cannot be asked; what it guards is refused');
      throw new HubError('unavailable', 'Refused: the check failed', { cause: error });
    }
  }
}

/** Of options that cannot be read: the try tells why. */
function limitsFrom(actions: ActionTypes, action: RuleAction): TargetLimits {
  try {
    const { type, options } = actions.prepare(action);
    return type.limits?.(options) ?? {};
  } catch {
    return {};
  }
}

function guardedActions(rule: Rule): readonly GuardedActionName[] {
  return GUARDED_ACTIONS.filter(action => rule.guards.includes(action));
}

function compileConditions({ paths, users }: RuleConditions): (facts: Facts) => boolean {
  const globs = paths?.map(pattern => compileGlob(pattern));
  const names = users && new Set(users.map(foldUsername));
  return ({ user, path, target }) =>
    (!globs || [path, target].some(place => place !== undefined && globs.some(matches => matches(place)))) &&
    (!names || (user !== undefined && names.has(foldUsername(user))));
}
