import type { GuardedAction, GuardedActionName } from '../guards.js';
import { uuidv7 } from '../ids.js';

/** What an action that is asked beforehand gets: the envelope of an event, of type 'before.<action>'. */
export interface GuardEnvelope {
  readonly specversion: '1.0';
  readonly id: string;
  readonly type: `before.${GuardedActionName}`;
  readonly source: 'entrepot';
  readonly subject?: string;
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** The request without what cannot be written as JSON: the content of a staged upload is not in it. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Writes a request to a guard as an envelope with an id of its own, for scripts and webhooks. */
export function guardEnvelope(request: GuardedAction): GuardEnvelope {
  const { action, ...rest } = request;
  const data = Object.fromEntries(Object.entries(rest).filter(([, value]) => typeof value !== 'function'));
  return {
    specversion: '1.0',
    id: uuidv7(),
    type: `before.${action}`,
    source: 'entrepot',
    ...('path' in request ? { subject: request.path } : {}),
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data,
  };
}
