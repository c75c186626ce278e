import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { LoginService } from '#core/api.js';

/** Who decides about connections. */
export interface Gate {
  readonly login: Pick<LoginService, 'admitInTurn'>;
  /** Whether a peer passes requests of others on: whom they come from tells each request. */
  readonly isProxy: (remoteAddress: string) => boolean;
}

/**
 * Has `listener` count each connection among those that have not logged in, until its first request has come, whose sender is then
 * looked at; one of an address that is denied, or beyond the limits, is dropped unheard. To be called before it listens; gives what
 * drops those that wait to be counted.
 */
export function admitConnections(listener: Server, { login, isProxy }: Gate): () => void {
  const handlers = listener.listeners('connection') as ((socket: Socket) => void)[];
  const silent = new Map<string, () => void>();
  const waiting = new Set<Socket>();
  listener.removeAllListeners('connection');
  listener.on('connection', (socket: Socket) => {
    const serve = () => {
      for (const handle of handlers) handle.call(listener, socket);
    };
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return void socket.destroy();
    if (isProxy(remoteAddress)) return serve();
    // The socket that TLS puts around this one is known by its peer alone.
    const peer = peerOf(socket);
    const ignore = () => undefined;
    socket.on('error', ignore);
    waiting.add(socket);
    const leave = login.admitInTurn(
      remoteAddress,
      admission => {
        waiting.delete(socket);
        if (!admission) return void socket.destroy();
        if (socket.destroyed) return admission.release();
        silent.set(peer, admission.release);
        socket.once('close', () => {
          admission.release();
          if (silent.get(peer) === admission.release) silent.delete(peer);
        });
        serve();
        socket.off('error', ignore);
      },
      { evenBanned: true },
    );
    socket.once('close', () => {
      waiting.delete(socket);
      leave();
    });
  });
  const heard = ({ socket }: IncomingMessage) => {
    const peer = peerOf(socket);
    silent.get(peer)?.();
    silent.delete(peer);
  };
  listener.on('request', heard).on('checkContinue', heard);
  return () => {
    for (const socket of waiting) socket.destroy();
  };
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
