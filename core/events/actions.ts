import { injectable } from 'tsyringe';
import { z } from 'zod';
import { HubError } from '../errors.js';
import type { ActionType } from './action.js';
import type { RuleAction } from './rule.js';

/** A rule's action, ready to run: its type, and its options as that type's schema made them. */
export interface PreparedAction {
  readonly type: ActionType;
  readonly options: unknown;
}

const HIDDEN = '********';

/** The kinds of action that extensions have registered. */
@injectable()
export class ActionTypes {
  readonly #types = new Map<string, ActionType>();

  /** Throws 'already-exists' when the name is taken. */
  register<O>(type: ActionType<O>): void {
    if (this.#types.has(type.name)) throw new HubError('already-exists', `There is already an action '${type.name}'`);
    this.#types.set(type.name, type as unknown as ActionType);
  }

  get(name: string): ActionType | undefined {
    return this.#types.get(name);
  }

  list(): readonly ActionType[] {
    return [...this.#types.values()];
  }

  /** Finds the type and checks the options. Throws 'invalid-request' with what is wrong where. */
  prepare(action: RuleAction): PreparedAction {
    const type = this.#types.get(action.type);
    if (!type) {
      throw new HubError(
        'invalid-request',
        `No extension offers an action '${action.type}'; there are: ${[...this.#types.keys()].join(', ') || 'none'}`,
      );
    }
    const result = type.options.safeParse(action.options);
    if (result.success) return { type, options: result.data };
    const problems = result.error.issues.map(issue => [issue.path.join('.'), issue.message].filter(part => part !== '').join(': '));
    throw new HubError('invalid-request', `Options of action '${action.type}': ${problems.join('; ')}`);
  }

  /** The action with its secrets hidden, for lists. Without its type everything is hidden. */
  masked(action: RuleAction): RuleAction {
    const type = this.#types.get(action.type);
    const options = Object.entries(action.options).map(([key, value]) => [key, type && !isSecret(type.options, key) ? value : HIDDEN]);
    return { type: action.type, options: Object.fromEntries(options) };
  }
}

function isSecret(schema: unknown, key: string): boolean {
  if (!(schema instanceof z.ZodObject)) return true;
  const field: unknown = schema.shape[key];
  return carriesSecret(field);
}

/** `.meta()` sits on the schema it was called on: below `.optional()` and `.default()` when these came later. */
function carriesSecret(field: unknown): boolean {
  if (!(field instanceof z.ZodType)) return false;
  if (field.meta()?.secret === true) return true;
  if (field instanceof z.ZodOptional || field instanceof z.ZodDefault || field instanceof z.ZodNullable || field instanceof z.ZodPrefault) {
    return carriesSecret(field.unwrap());
  }
  if (field instanceof z.ZodPipe) return carriesSecret(field.in) || carriesSecret(field.out);
  return false;
}
