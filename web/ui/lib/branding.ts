import { useQuery } from '@tanstack/react-query';
import type { Branding } from '../api-types.js';
import { request } from './request.js';

export type { Branding } from '../api-types.js';

const KEPT = 'entrepot.branding';

/** The name that the pages show; 'Entrepot' until one is chosen. */
export function useBrandName(): string {
  return useBranding().data?.name || 'Entrepot';
}

/** Name, colour and logo of the hub; those of the last visit until it answers, so that nothing jumps. */
export function useBranding() {
  return useQuery({
    queryKey: ['/branding'],
    queryFn: async () => {
      const { data } = await request<Branding>('GET', '/branding');
      keep(data);
      return data;
    },
    placeholderData: kept,
    staleTime: 300_000,
  });
}

function kept(): Branding | undefined {
  try {
    const text = localStorage.getItem(KEPT);
    return text === null ? undefined : (JSON.parse(text) as Branding);
  } catch {
    return undefined;
  }
}

function keep(branding: Branding): void {
  try {
    if (branding.name || branding.colour || branding.logo) localStorage.setItem(KEPT, JSON.stringify(branding));
    else localStorage.removeItem(KEPT);
  } catch {
    // The next visit begins without it.
  }
}
