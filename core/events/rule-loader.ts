import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { RuleRepository } from '../db/rules.js';
import { DATABASE_RULES, RuleTable } from './rules.js';
import { EventSettings } from './settings.js';

/** Keeps the rules of the database in the rule table, and takes over each change. */
@injectable()
export class RuleLoader {
  #loading: Promise<void> = Promise.resolve();
  #unlisten: (() => void) | undefined;

  constructor(
    private readonly repository: RuleRepository,
    private readonly rules: RuleTable,
    private readonly coordinator: Coordinator,
    private readonly settings: EventSettings,
  ) {}

  /** Loads the rules, and from then on again after each change. Throws when they cannot be read. */
  async start(): Promise<void> {
    this.#unlisten = this.coordinator.listen('records.changed', ({ table }) => {
      if (table === 'rules') this.#reload();
    });
    await this.#load();
  }

  /** Resolves when the changes that were announced so far are in effect in this process. */
  async current(): Promise<void> {
    await this.#loading;
  }

  async stop(): Promise<void> {
    this.#unlisten?.();
    await this.#loading;
  }

  #reload(): void {
    this.#loading = this.#loading
      .then(() => this.#load())
      .catch((error: unknown) => this.settings.log.error({ err: error }, 'rules could not be read; those from before stay in effect'));
  }

  async #load(): Promise<void> {
    this.rules.setRules(DATABASE_RULES, await this.repository.list());
    // A rule that was enabled may have deliveries that waited for it.
    this.coordinator.broadcast('deliveries.waiting', {});
  }
}
