import type { SettingsRepository } from './db/settings.js';
import type { EventBus } from './events/bus.js';
import type { Certificates } from './tls/certificates.js';
import type { CertificatePair } from './tls/pair.js';

const KEY = 'certificates.warned';
const DAY_MS = 86_400_000;

/** The day on which a certificate was warned of, by its fingerprint. */
type Marks = Readonly<Record<string, string>>;

/** Publishes 'certificate.expiring' for each certificate that ends soon: once a day, restarts and all nodes that have it included. */
export class ExpiryWarnings {
  constructor(
    private readonly certificates: Pick<Certificates, 'expiring'>,
    private readonly settings: SettingsRepository,
    private readonly bus: EventBus,
  ) {}

  async run(now = Date.now()): Promise<void> {
    const expiring = this.certificates.expiring(now);
    const isDue = (marks: Marks | undefined) => (pair: CertificatePair) => marks?.[pair.fingerprint] !== dayOf(now);
    if (!expiring.some(isDue((await this.settings.get(KEY)) as Marks | undefined))) return;
    await this.settings.update(KEY, async (value, trx) => {
      const marks = (value ?? {}) as Marks;
      const due = expiring.filter(isDue(marks));
      for (const pair of due) await this.bus.publish('certificate.expiring', warningOf(pair, now), trx);
      // Those of other nodes stay; what is older than a day says nothing any more.
      const recent = Object.entries(marks).filter(([, day]) => day >= dayOf(now - DAY_MS));
      return { ...Object.fromEntries(recent), ...Object.fromEntries(due.map(({ fingerprint }) => [fingerprint, dayOf(now)])) };
    });
  }
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function warningOf({ names, files, fingerprint, notAfter }: CertificatePair, now: number) {
  return {
    names,
    file: files.certificate,
    fingerprint,
    expires: notAfter.toISOString(),
    daysLeft: Math.floor((notAfter.getTime() - now) / DAY_MS),
  };
}
