import type { Coordinator } from './coordinator.js';

/** Questions to the other processes of the same hub on this machine. */
export interface Siblings {
  /** What each of the others answers, but for those that do not. */
  ask(topic: string, input?: unknown): Promise<readonly unknown[]>;
  /** Has `answer` called when one of the others asks. */
  answer(topic: string, answer: (input: never) => unknown): void;
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
  readonly siblings: Siblings;
}

/** Names a process in logs. */
export function nameOfPart({ role, index }: Pick<Assignment, 'role' | 'index'>): string {
  return role === 'jobs' ? role : `${role} ${index}`;
}
