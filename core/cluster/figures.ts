import { Metrics, type MetricsSnapshot } from '../metrics.js';
import type { Correspondence } from './correspondence.js';

/** What one process tells for the figures of the whole hub. */
export interface Figures {
  readonly counted: MetricsSnapshot;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

const ANSWER_MS = 800;

/** Those of this process, which has counted `metrics`. */
export function figuresOf(metrics: Metrics): Figures {
  const { user, system } = process.cpuUsage();
  return { counted: metrics.snapshot(), cpuSeconds: (user + system) / 1_000_000, residentBytes: process.memoryUsage.rss() };
}

/** The primary's part in adding figures up: asks the processes, and keeps what those had counted that have ended, so that no sum ever falls. */
export class FiguresHost {
  readonly #own = new Metrics();
  readonly #known = new Map<Correspondence, Figures>();
  readonly #ended = new Metrics();
  #endedCpuSeconds = 0;

  /** Takes in a process. The function given is to be called when it has ended. */
  join(member: Correspondence): () => void {
    this.#known.set(member, { counted: [], cpuSeconds: 0, residentBytes: 0 });
    member.on('figures.others', (own: Figures) => this.#others(member, own));
    member.on('figures.last', (last: Figures) => void this.#known.set(member, last));
    return () => {
      const last = this.#known.get(member);
      if (!last) return;
      this.#known.delete(member);
      this.#ended.add(last.counted);
      this.#endedCpuSeconds += last.cpuSeconds;
    };
  }

  /** Of one that does not answer, what it said last. */
  async #others(asking: Correspondence, own: Figures): Promise<readonly Figures[]> {
    this.#known.set(asking, own);
    const others = [...this.#known.keys()].filter(other => other !== asking);
    await Promise.all(
      others.map(async other => {
        const said = (await other.ask('figures.own', null, ANSWER_MS).catch(() => undefined)) as Figures | undefined;
        if (said && this.#known.has(other)) this.#known.set(other, said);
      }),
    );
    const ended: Figures = { counted: this.#ended.snapshot(), cpuSeconds: this.#endedCpuSeconds, residentBytes: 0 };
    return [figuresOf(this.#own), ended, ...others.flatMap(other => this.#known.get(other) ?? [])];
  }
}
