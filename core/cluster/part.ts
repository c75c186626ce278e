import type { Coordinator } from './coordinator.js';
import type { Figures } from './figures.js';

/** The figures of the other processes of the same hub on this machine. */
export interface SharedFigures {
  /** Those of all others, ended ones included. */
  others(own: Figures): Promise<readonly Figures[]>;
  /** Has `tell` called when one of the others wants to know. */
  answer(tell: () => Figures): void;
  /** The last of this process, which ends. */
  last(own: Figures): void;
}

/** Which part a process has in a hub of several, as the primary gives it out. */
export interface Assignment {
  /** 'serve': listeners and sessions; 'jobs': deliveries, scheduled tasks, the taking over of what dead processes left. */
  readonly role: 'serve' | 'jobs';
  /** Of this process among those that serve; 0 for 'jobs'. */
  readonly index: number;
  /** How many serve. */
  readonly count: number;
  /** Names the processes that one start makes together. */
  readonly family: string;
  /** What keys of TLS sessions are made of, so that a session of one process is resumed by another. */
  readonly ticketSeed: Uint8Array;
  /** The process that gave it out: the hub's, for operators. */
  readonly primaryPid: number;
}

/** The part of this process, and its ways to the others. */
export interface HubPart extends Assignment {
  /** Reaches the processes of this machine; not used where Redis reaches those of all. */
  readonly coordinator: Coordinator;
  readonly figures: SharedFigures;
}

/** Names a process in logs. */
export function nameOfPart({ role, index }: Pick<Assignment, 'role' | 'index'>): string {
  return role === 'jobs' ? role : `${role} ${index}`;
}
