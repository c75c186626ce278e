import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { createSecureContext, type SecureContext, type SecureContextOptions, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Config } from '../config/schema.js';
import { HubError } from '../errors.js';
import type { Logger } from '../log.js';
import { type ClientAuthorities, readAuthorities, verifiedClient } from './clients.js';
import { matching } from './names.js';
import { type CertificatePair, invalidity, type PairFiles, readPair } from './pair.js';
import { ensureSelfSigned, isThere, selfSignedFile } from './self-signed.js';
import { Watched } from './watched.js';

/** What certificates are made of: the section `tls` of the configuration, and where its files are. */
export interface CertificatesOptions {
  readonly settings: Config['tls'];
  /** Files are named relative to it. */
  readonly dataDirectory: string;
  /** What the keys of session tickets are made of, for processes that are to resume each other's sessions; random unless given. */
  readonly ticketSeed?: Uint8Array | undefined;
  readonly log: Logger;
}

/** What a client proved itself to be by its certificate. */
export interface ClientCertificate {
  readonly commonName: string;
  /** SHA-256: 'AB:CD:…'. */
  readonly fingerprint: string;
}

/** The options of a TLS server or of one TLS socket at the server's end. */
export type ServerTlsOptions = TlsOptions &
  Required<Pick<TlsOptions, 'SNICallback' | 'requestCert' | 'rejectUnauthorized'>> & {
    readonly secureContext: SecureContext;
  };

const CHECK_MS = 500;
const TICKET_KEY_BYTES = 48;
const SESSION_ID_CONTEXT = 'entrepot';
/** How long a session may be resumed: a control connection of FTP lasts, and each of its data connections resumes it. */
const SESSION_SECONDS = 24 * 3_600;
const DEFAULT = '';

/**
 * The certificates of all TLS listeners. Files are looked at twice a second and taken over without touching connections; what is broken
 * is logged, and the certificate before stays. All contexts share the keys of session tickets, so that a session of one socket is
 * resumed by another: FTP's data connections resume their control connection's.
 */
export class Certificates {
  readonly #settings: Config['tls'];
  readonly #log: Logger;
  readonly #ticketSeed: Uint8Array;
  #ticketKeys: Buffer = randomBytes(TICKET_KEY_BYTES);
  readonly #listeners = new Set<() => void>();
  /** By the certificates in it: names often share one. */
  readonly #contexts = new Map<string, SecureContext>();
  #pairs: readonly Watched<CertificatePair>[] = [];
  #clients: Watched<ClientAuthorities> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> = Promise.resolve();

  constructor(private readonly options: CertificatesOptions) {
    this.#settings = options.settings;
    this.#log = options.log.child({ component: 'tls' });
    this.#ticketSeed = options.ticketSeed ?? randomBytes(TICKET_KEY_BYTES);
  }

  /** Whether the hub uses the certificate that it made itself. */
  get isSelfSigned(): boolean {
    return this.#settings.certificates.length === 0;
  }

  /**
   * Reads the certificates, makes one when none is configured, and watches them. Throws 'invalid-request' that names the file that
   * cannot be used, or 'unavailable'. A certificate that has expired is used all the same, and logged.
   */
  async start(): Promise<void> {
    if (this.isSelfSigned) await ensureSelfSigned(selfSignedFile(this.options.dataDirectory));
    this.#pairs = this.files().map(files => new Watched([files.certificate, files.key], inUse => usablePair(files, inUse)));
    const { clientAuthorities, revokedClients } = this.#settings;
    const [authorities, revoked] = [this.#path(clientAuthorities), this.#path(revokedClients)];
    this.#clients = new Watched(
      [authorities, revoked].filter(file => file !== undefined),
      () => readAuthorities(authorities, revoked),
    );
    await Promise.all([...this.#pairs, this.#clients].map(watched => watched.load()));
    this.#makeTicketKeys();
    this.#checkSettings();
    for (const { value } of this.#pairs) {
      const reason = invalidity(value, Date.now());
      if (reason) this.#log.error({ reason }, 'A certificate does not count: clients will refuse it');
    }
    this.#timer = setInterval(() => this.#check(), CHECK_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#checking;
  }

  /** Where the certificates are, the default one first. */
  files(): readonly PairFiles[] {
    if (this.isSelfSigned) {
      const file = selfSignedFile(this.options.dataDirectory);
      return [{ certificate: file, key: file }];
    }
    const path = (file: string) => resolve(this.options.dataDirectory, file);
    return this.#settings.certificates.map(({ certificate, key }) => ({ certificate: path(certificate), key: path(key ?? certificate) }));
  }

  /** Those of files() that are there, but for configured ones, which are always given. */
  async existing(): Promise<readonly PairFiles[]> {
    const files = this.files();
    return this.isSelfSigned && !(await isThere(files[0]!.certificate)) ? [] : files;
  }

  /** The certificates in use, the default one first; empty before start(). `problem` tells why a newer one is not in use. */
  list(): readonly (CertificatePair & { readonly problem: string | undefined })[] {
    return this.#pairs.map(({ value, problem }) => ({ ...value, problem }));
  }

  /** The context for a name that a client asked for, by SNI or by FTP's HOST; the default one for no name and for one that nobody has a certificate for. */
  secureContext(name = DEFAULT): SecureContext {
    const chosen = this.#choose(name);
    const key = chosen.map(({ fingerprint }) => fingerprint).join();
    const known = this.#contexts.get(key);
    if (known) return known;
    const context = createSecureContext(this.#contextOptions(chosen));
    this.#contexts.set(key, context);
    return context;
  }

  /** Whether there is a certificate for this very name, wildcards included. */
  has(name: string): boolean {
    return (
      matching(
        this.#pairs.map(({ value }) => value),
        name,
      ).length > 0
    );
  }

  /**
   * Options for `new TLSSocket(socket, { ...options, isServer: true })`, which stay right for one connection, and for a tls.Server, which
   * follow() keeps right. `name` gives the default for clients that ask for none by SNI.
   */
  tlsOptions(name = DEFAULT): ServerTlsOptions {
    const { clientCertificates } = this.#settings;
    return {
      ...this.#contextOptions(this.#choose(name)),
      secureContext: this.secureContext(name),
      SNICallback: (asked, answer) => {
        try {
          answer(null, this.secureContext(asked === '' ? name : asked));
        } catch (error) {
          answer(error as Error);
        }
      },
      requestCert: clientCertificates !== 'off',
      rejectUnauthorized: clientCertificates === 'required',
    };
  }

  /** Gives `server` new certificates as they come. Returns what stops it. */
  follow(server: Server): () => void {
    return this.onChange(() => server.setSecureContext(this.#contextOptions(this.#choose(DEFAULT))));
  }

  /** Calls `listener` after certificates were replaced. Returns what stops it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Who the client of a socket is, once its handshake is over: undefined without a certificate, and for one that no authority vouches for
   * where certificates are optional. Throws 'authentication-failed' where one is required.
   */
  client(socket: TLSSocket): ClientCertificate | undefined {
    if (this.#settings.clientCertificates === 'off') return undefined;
    const client = verifiedClient(socket);
    if (!client && this.#settings.clientCertificates === 'required')
      throw new HubError('authentication-failed', 'A certificate by a trusted authority is required');
    return client;
  }

  /** The certificates in use that end within the configured time. */
  expiring(now = Date.now()): readonly CertificatePair[] {
    return this.#pairs.map(({ value }) => value).filter(({ notAfter }) => notAfter.getTime() - now <= this.#settings.warnBefore);
  }

  #choose(name: string): readonly CertificatePair[] {
    const pairs = this.#pairs.map(({ value }) => value);
    const [first] = pairs;
    if (!first) throw new HubError('unavailable', 'The certificates are not read yet');
    const found = name === DEFAULT ? [] : matching(pairs, name);
    const byName = found.length > 0 ? found : [first, ...pairs.filter(other => other !== first && sameNames(first, other))];
    return onePerType(byName);
  }

  #contextOptions(pairs: readonly CertificatePair[]): SecureContextOptions {
    const { minVersion, ciphers, clientCertificates } = this.#settings;
    const { authorities, revoked } = this.#clients?.value ?? {};
    return {
      cert: pairs.map(({ chain }) => chain),
      key: pairs.map(({ key }) => key),
      minVersion,
      ciphers,
      honorCipherOrder: true,
      sessionIdContext: SESSION_ID_CONTEXT,
      sessionTimeout: SESSION_SECONDS,
      ticketKeys: this.#ticketKeys,
      ...(clientCertificates !== 'off' && authorities !== undefined && { ca: authorities }),
      ...(clientCertificates !== 'off' && revoked !== undefined && { crl: revoked }),
    };
  }

  /** Tries what OpenSSL alone knows: the names of ciphers. */
  #checkSettings(): void {
    const { clientCertificates, clientAuthorities } = this.#settings;
    if (clientCertificates !== 'off' && clientAuthorities === undefined)
      throw new HubError('invalid-request', `tls.clientCertificates is '${clientCertificates}': set tls.clientAuthorities, too`);
    try {
      this.secureContext();
    } catch (cause) {
      throw new HubError('invalid-request', `The settings in tls cannot be used: ${(cause as Error).message}`, { cause });
    }
  }

  #check(): void {
    this.#checking = this.#checking
      .then(() => this.#lookAgain())
      .catch(error => this.#log.error({ err: error }, 'The certificates could not be looked at'));
  }

  async #lookAgain(): Promise<void> {
    const watched = [...this.#pairs, ...(this.#clients ? [this.#clients] : [])];
    const outcomes = await Promise.all(watched.map(async one => ({ one, outcome: await one.check() })));
    for (const { one, outcome } of outcomes) {
      if (outcome === 'broken')
        this.#log.error({ reason: one.problem }, 'A new certificate cannot be used; what was read before stays in use');
    }
    if (!outcomes.some(({ outcome }) => outcome === 'changed')) return;
    this.#makeTicketKeys();
    this.#contexts.clear();
    this.#log.info({ certificates: this.list().map(({ names, notAfter }) => ({ names, notAfter })) }, 'The certificates were replaced');
    for (const listener of this.#listeners) listener();
  }

  /** Others when the authorities change, since a session that is resumed is not checked anew; the same in all processes that have read the same. */
  #makeTicketKeys(): void {
    const { authorities, revoked } = this.#clients?.value ?? {};
    const known = createHash('sha256')
      .update(JSON.stringify([authorities, revoked]))
      .digest();
    this.#ticketKeys = Buffer.from(hkdfSync('sha256', this.#ticketSeed, '', known, TICKET_KEY_BYTES));
  }

  #path(file: string | undefined): string | undefined {
    return file === undefined ? undefined : resolve(this.options.dataDirectory, file);
  }
}

/** A pair that does not count at this time replaces none that does. */
async function usablePair(files: PairFiles, inUse: CertificatePair | undefined): Promise<CertificatePair> {
  const pair = await readPair(files);
  const reason = invalidity(pair, Date.now());
  if (reason !== undefined && inUse && invalidity(inUse, Date.now()) === undefined) throw new HubError('invalid-request', reason);
  return pair;
}

function sameNames(one: CertificatePair, other: CertificatePair): boolean {
  return one.names.length > 0 && one.names.every(name => other.names.includes(name));
}

/** The first of each type of key, those that count before those that do not: what OpenSSL chooses among. */
function onePerType(pairs: readonly CertificatePair[]): readonly CertificatePair[] {
  const now = Date.now();
  const ordered = [...pairs].sort((a, b) => Number(invalidity(a, now) !== undefined) - Number(invalidity(b, now) !== undefined));
  return ordered.filter((pair, index) => ordered.findIndex(({ keyType }) => keyType === pair.keyType) === index);
}
