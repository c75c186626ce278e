import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Correspondence, type Wire } from '#core/cluster/correspondence.js';

/** The two ends of a way that copies what goes over it, as the one between processes does. */
export function line(): readonly [Correspondence, Correspondence, () => void] {
  const { port1, port2 } = new MessageChannel();
  return [new Correspondence(over(port1)), new Correspondence(over(port2)), () => port1.close()];
}

function over(port: MessagePort): Wire {
  return {
    send: letter => port.postMessage(letter),
    receive: listener => void port.on('message', listener),
  };
}
