import { type HubError, toHubError } from '../errors.js';
import { Correspondence, type Wire } from './correspondence.js';
import type { Figures } from './figures.js';
import { IpcCoordinator } from './ipc.js';
import type { Assignment, HubPart } from './part.js';

/** A process's end of its way to the primary that started it. */
export class WorkerLink {
  readonly #primary: Correspondence;
  #retiring: (graceMs: number) => void = () => undefined;
  #stopping: (graceMs: number) => void = () => undefined;
  /** Resolves to how long, in ms, clients may go on, when another process takes this one's place. */
  readonly retired = new Promise<number>(resolve => (this.#retiring = resolve));
  /** Resolves to how long, in ms, transfers may go on, when this process is to end. */
  readonly stopped = new Promise<number>(resolve => (this.#stopping = resolve));

  constructor(wire: Wire) {
    this.#primary = new Correspondence(wire);
    this.#primary.on('worker.retire', this.#retiring);
    this.#primary.on('worker.stop', this.#stopping);
  }

  /** Asks which part this process has. */
  async begin(): Promise<HubPart> {
    const assignment = (await this.#primary.ask('worker.begin')) as Assignment;
    return {
      ...assignment,
      coordinator: new IpcCoordinator(this.#primary),
      figures: {
        others: async own => (await this.#primary.ask('figures.others', own)) as readonly Figures[],
        answer: tell => this.#primary.on('figures.own', tell),
        last: own => this.#primary.tell('figures.last', own),
      },
    };
  }

  /** Says that this process does its part; `listeners` are where it accepts clients. */
  ready(listeners: readonly unknown[]): void {
    this.#primary.tell('worker.ready', listeners);
  }

  /** Says why this process cannot do its part. */
  failed(error: unknown): void {
    const { code, message }: HubError = toHubError(error);
    this.#primary.tell('worker.failed', { code, message });
  }

  /** Has `told` called with the listeners of the hub, once those who serve accept clients. */
  onListening(told: (listeners: readonly unknown[]) => void): void {
    this.#primary.on('worker.listening', told);
  }

  /** Has `operate` do what the primary is asked for by administrators. */
  onOperation(operate: (name: string, input: unknown) => Promise<unknown>): void {
    this.#primary.on('worker.operation', ({ name, input }: { readonly name: string; readonly input: unknown }) => operate(name, input));
  }
}
