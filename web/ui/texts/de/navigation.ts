import type { navigation as english } from '../en/navigation.js';
import type { Text } from '../text.js';

/** The pages of administrators, as the navigation calls them. */
export const navigation: Readonly<Record<keyof typeof english, Text>> = {
  'nav.activity': 'Live',
  'nav.admin': 'Verwaltung',
  'nav.admins': 'Administratoren',
  'nav.apiKeys': 'API-Schlüssel',
  'nav.audit': 'Protokoll',
  'nav.bans': 'Gesperrte',
  'nav.certificates': 'Zertifikate',
  'nav.deliveries': 'Zustellungen',
  'nav.events': 'Ereignisse',
  'nav.files': 'Meine Dateien',
  'nav.group.delivery': 'Zustellung',
  'nav.group.people': 'Personen',
  'nav.group.system': 'System',
  'nav.group.traffic': 'Verkehr',
  'nav.home': 'Überblick',
  'nav.profile': 'Profil und Sicherheit',
  'nav.settings': 'Einstellungen',
  'nav.storages': 'Speicher',
  'nav.users': 'Benutzer',
  'nav.webhooks': 'Webhooks',

  'palette.do': 'Tun',
  'palette.go': 'Gehen zu',
};
