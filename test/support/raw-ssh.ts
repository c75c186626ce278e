import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Client } from 'ssh2';

/** Messages of RFC 4253, 4252 and 4254. */
export const SSH = {
  IGNORE: 2,
  SERVICE_REQUEST: 5,
  KEXINIT: 20,
  NEWKEYS: 21,
  USERAUTH_REQUEST: 50,
  USERAUTH_SUCCESS: 52,
  INFO_RESPONSE: 61,
  GLOBAL_REQUEST: 80,
  CHANNEL_OPEN: 90,
  CHANNEL_OPEN_CONFIRMATION: 91,
  CHANNEL_WINDOW_ADJUST: 93,
  CHANNEL_DATA: 94,
  CHANNEL_REQUEST: 98,
  PING: 192,
} as const;

interface Internals {
  readonly _packetRW: { readonly write: { readonly allocStart: number; alloc(size: number): Buffer; finalize(packet: Buffer): Buffer } };
  readonly _cipher: { encrypt(packet: Buffer): void };
}

/** Sends one SSH message as it is, encrypted like any other of the connection. */
export function sendMessage(client: Client, type: number, ...parts: readonly Buffer[]): void {
  const protocol: Internals = Reflect.get(client, '_protocol');
  const payload = Buffer.concat([Buffer.of(type), ...parts]);
  const packet = protocol._packetRW.write.alloc(payload.length);
  payload.copy(packet, protocol._packetRW.write.allocStart);
  protocol._cipher.encrypt(protocol._packetRW.write.finalize(packet));
}

/** A client that has finished the key exchange and does not log in. */
export interface Stranger {
  readonly client: Client;
  /** What arrived, as ssh2 describes it. */
  readonly heard: readonly string[];
  readonly closed: Promise<void>;
}

/** Connects and stops before the login. */
export async function connectStranger(port: number): Promise<Stranger> {
  const client = new Client().on('error', () => {});
  const heard: string[] = [];
  const closed = new Promise<void>(resolve => client.once('close', () => resolve()));
  client.connect({
    host: '127.0.0.1',
    port,
    username: 'stranger',
    authHandler: () => {},
    debug: text => void (text.startsWith('Inbound: ') && heard.push(text)),
  });
  await Promise.race([once(client, 'handshake'), closed]);
  return { client, heard, closed };
}

/** A TCP connection from `localAddress` that says nothing by itself. */
export function connectSilent(port: number, localAddress = '127.0.0.1'): Socket {
  return connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {});
}

/** The ten lists of names in the server's KEXINIT: kex, host keys, ciphers, ciphers, MACs, MACs, compression… */
export async function readKexInit(port: number): Promise<readonly (readonly string[])[]> {
  const socket = connectSilent(port);
  socket.write('SSH-2.0-test\r\n');
  let received = Buffer.alloc(0);
  const packet = () => {
    const at = received.indexOf('\n') + 1;
    return at > 0 && received.length >= at + 4 && received.length >= at + 4 + received.readUInt32BE(at)
      ? received.subarray(at + 4)
      : undefined;
  };
  while (packet() === undefined) received = Buffer.concat([received, (await once(socket, 'data'))[0] as Buffer]);
  socket.destroy();
  const body = packet()!.subarray(2 + 16);
  let at = 0;
  return Array.from({ length: 10 }, () => {
    const length = body.readUInt32BE(at);
    const names = body.subarray(at + 4, at + 4 + length).toString();
    at += 4 + length;
    return names.split(',');
  });
}

/** An SSH packet before any key exchange (RFC 4253, section 6). */
export function plainPacket(type: number, payload: Buffer): Buffer {
  const body = Buffer.concat([Buffer.of(type), payload]);
  const padding = 8 + (8 - ((5 + body.length) % 8));
  const packet = Buffer.alloc(5 + body.length + padding);
  packet.writeUInt32BE(1 + body.length + padding, 0);
  packet[4] = padding;
  body.copy(packet, 5);
  return packet;
}
