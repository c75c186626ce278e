import { useQuery } from '@tanstack/react-query';
import { request } from './request.js';

/** What the pages call the hub. */
export interface Branding {
  readonly name: string;
}

/** The name that the pages show; 'Entrepot' until one is chosen. */
export function useBrandName(): string {
  return useBranding().data?.name || 'Entrepot';
}

/** Name of the hub. */
export function useBranding() {
  return useQuery({ queryKey: ['/branding'], queryFn: async () => (await request<Branding>('GET', '/branding')).data, staleTime: 300_000 });
}
