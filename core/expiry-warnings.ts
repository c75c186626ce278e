import type { SettingsRepository } from './db/settings.js';
import type { EventBus } from './events/bus.js';
import type { Certificates } from './tls/certificates.js';

const KEY = 'certificates.warned';
const DAY_MS = 86_400_000;

/** Publishes 'certificate.expiring' for each certificate that ends soon: once a day, restarts included. */
export class ExpiryWarnings {
  constructor(
    private readonly certificates: Certificates,
    private readonly settings: SettingsRepository,
    private readonly bus: EventBus,
  ) {}

  async run(now = Date.now()): Promise<void> {
    const expiring = this.certificates.expiring(now);
    if (expiring.length === 0) return;
    const today = new Date(now).toISOString().slice(0, 10);
    const warned = (await this.settings.get(KEY)) as Readonly<Record<string, string>> | undefined;
    const due = expiring.filter(({ fingerprint }) => warned?.[fingerprint] !== today);
    for (const { names, files, fingerprint, notAfter } of due) {
      await this.bus.publish('certificate.expiring', {
        names,
        file: files.certificate,
        fingerprint,
        expires: notAfter.toISOString(),
        daysLeft: Math.floor((notAfter.getTime() - now) / DAY_MS),
      });
    }
    // Those that were replaced are forgotten.
    if (due.length > 0) await this.settings.set(KEY, Object.fromEntries(expiring.map(({ fingerprint }) => [fingerprint, today])));
  }
}
