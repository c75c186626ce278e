/** 'dead' waits for someone to retry or dismiss it; 'succeeded' and 'dismissed' are done. */
export const DELIVERY_STATES = ['waiting', 'running', 'succeeded', 'dead', 'dismissed'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];
