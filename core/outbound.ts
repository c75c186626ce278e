/** One request that the hub makes. */
export interface OutboundRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Bytes of the answer that are read; the rest is dropped. 64 KiB unless told. */
  readonly maxAnswerBytes?: number;
  readonly signal?: AbortSignal;
}

export interface OutboundResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The answer as text, cut at the limit. */
  readonly body: string;
}

/** The only way out by HTTP. */
export declare class Outbound {
  /**
   * Sends one request, follows no redirect, and resolves to whatever is answered. Throws HubError: 'permission-denied'
   * when the address is private or local and `outbound.allow` does not list it (the message names that setting),
   * 'invalid-request' for a URL that is not http or https, 'unavailable' when there is no answer within `outbound.timeout`.
   */
  request(url: string, request: OutboundRequest): Promise<OutboundResponse>;
}
