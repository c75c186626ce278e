import { z } from 'zod';
import { operation } from './operation.js';

/** Whom events are delivered to. */
export const targetOperations = {
  /** Every target that wants events, whether it is a webhook, a hook of the folder or a handler of an extension, with what became of its deliveries. */
  'targets.list': operation(z.strictObject({}), async ({ ruleTable, deliveries }) => {
    const counts = await deliveries.counts();
    return ruleTable.targets().map(target => ({
      ...target,
      deliveries: {
        ...NONE,
        ...Object.fromEntries(counts.filter(({ target: id }) => id === target.id).map(({ state, count }) => [state, count])),
      },
    }));
  }),
};

const NONE = { waiting: 0, running: 0, succeeded: 0, dead: 0, dismissed: 0 };
