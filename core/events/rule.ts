/** Narrows a rule. Everything given must hold; an event without a path or user never matches a condition on it. */
export interface RuleConditions {
  /** Virtual paths with '*', '?' and '**'; one must match. Of an event with two paths, such as a rename, either may. */
  readonly paths?: readonly string[];
  /** User names; one must match. */
  readonly users?: readonly string[];
}

/** What a rule does: the name of an action type, and options for it. */
export interface RuleAction {
  readonly type: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Binds events (or guarded actions) to actions. */
export interface Rule {
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  /** Event types, or patterns such as 'upload.*' and '*'. */
  readonly events: readonly string[];
  /** Guarded actions that this rule's actions decide on. */
  readonly guards: readonly string[];
  readonly conditions: RuleConditions;
  readonly actions: readonly RuleAction[];
}
