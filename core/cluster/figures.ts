import { readdirSync, readFileSync } from 'node:fs';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Metrics, type MetricsSnapshot } from '../metrics.js';
import type { Correspondence } from './correspondence.js';

/** What one process tells for the figures of the whole hub. */
export interface Figures {
  readonly counted: MetricsSnapshot;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Of a process of a hub of several that lives. */
  readonly machine?: MachineFigures | undefined;
}

/** What cannot be added up. */
export interface MachineFigures {
  /** Its part in the hub. */
  readonly process: string;
  /** The 99th percentile of the delay of its event loop since it was last asked. */
  readonly lagSeconds: number;
  /** Undefined where the system does not tell. */
  readonly openDescriptors: number | undefined;
  readonly mostDescriptors: number | undefined;
}

const ANSWER_MS = 800;
const LAG_RESOLUTION_MS = 10;

let delay: IntervalHistogram | undefined;

/** Those of this process, which has counted `metrics`; of one of several, `name` is its part. */
export function figuresOf(metrics: Metrics, name?: string): Figures {
  const { user, system } = process.cpuUsage();
  return {
    counted: metrics.snapshot(),
    cpuSeconds: (user + system) / 1_000_000,
    residentBytes: process.memoryUsage.rss(),
    machine: name === undefined ? undefined : { process: name, lagSeconds: lagSeconds(), ...descriptors() },
  };
}

function lagSeconds(): number {
  if (!delay) {
    delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
    delay.enable();
    return 0;
  }
  const seconds = delay.count > 0 ? delay.percentile(99) / 1_000_000_000 : 0;
  delay.reset();
  return seconds;
}

function descriptors(): Pick<MachineFigures, 'openDescriptors' | 'mostDescriptors'> {
  try {
    const most = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    // Without the one by which they are listed.
    return { openDescriptors: readdirSync('/proc/self/fd').length - 1, mostDescriptors: most === undefined ? undefined : Number(most) };
  } catch {
    return { openDescriptors: undefined, mostDescriptors: undefined };
  }
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
    return [figuresOf(this.#own, 'primary'), ended, ...others.flatMap(other => this.#known.get(other) ?? [])];
  }
}
