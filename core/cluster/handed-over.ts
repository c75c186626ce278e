import type { ChildProcess, Serializable } from 'node:child_process';

/** What node:cluster says to a process when it hands a connection over, and what comes back. */
interface Note {
  readonly cmd?: unknown;
  readonly act?: unknown;
  readonly seq?: unknown;
  readonly ack?: unknown;
}

/**
 * Gives a connection that was on its way to a process that died to another one. node:cluster hands it over and waits for an answer;
 * where none will come it keeps the connection open, and the client would wait as long as it has patience. One is under way for each
 * port at most. `others` says whether another process takes connections; otherwise they are closed.
 */
export function recoverHandedOver(child: ChildProcess, others: () => boolean): void {
  const underWay = new Set<unknown>();
  const send = child.send.bind(child) as (...args: unknown[]) => boolean;
  child.send = (...args: [Serializable, ...unknown[]]): boolean => {
    const { cmd, act, seq } = (args[0] ?? {}) as Note;
    if (cmd === 'NODE_CLUSTER' && act === 'newconn') underWay.add(seq);
    return send(...args);
  };
  child.on('internalMessage', ({ cmd, ack }: Note) => cmd === 'NODE_CLUSTER' && underWay.delete(ack));
  let isDisconnected = false;
  child.once('disconnect', () => {
    isDisconnected = true;
  });
  child.once('close', () => {
    // Node.js keeps quiet about the end of the channel while a connection is on its way, and node:cluster would go on to choose the process.
    if (!isDisconnected) child.emit('disconnect');
    // As a process answers that has just closed its port, or as one does that took the connection.
    for (const ack of [...underWay]) child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted: !others() });
  });
}
