import type { Text } from '../text.js';

/** The pages of administrators, as the navigation calls them. */
export const navigation = {
  'nav.activity': 'Live',
  'nav.admin': 'Administration',
  'nav.admins': 'Administrators',
  'nav.apiKeys': 'API keys',
  'nav.audit': 'Audit trail',
  'nav.bans': 'Blocked',
  'nav.certificates': 'Certificates',
  'nav.deliveries': 'Deliveries',
  'nav.events': 'Events',
  'nav.files': 'My files',
  'nav.group.delivery': 'Delivery',
  'nav.group.people': 'People',
  'nav.group.system': 'System',
  'nav.group.traffic': 'Traffic',
  'nav.home': 'Overview',
  'nav.profile': 'Profile and security',
  'nav.settings': 'Settings',
  'nav.storages': 'Storages',
  'nav.users': 'Users',
  'nav.webhooks': 'Webhooks',

  'palette.do': 'Do',
  'palette.go': 'Go to',
} as const satisfies Record<string, Text>;
