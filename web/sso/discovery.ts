import { HubError, z } from '#core/api.js';

const LIMIT_MS = 10_000;
const MAX_BYTES = 1_048_576;

const endpoint = z.url({ protocol: /^https?$/ });
const documentSchema = z.object({
  issuer: z.string(),
  authorization_endpoint: endpoint,
  token_endpoint: endpoint,
  jwks_uri: endpoint,
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
});

/** What an OpenID Connect provider says of itself. */
export type Discovery = z.output<typeof documentSchema>;

/** Reads the discovery document (OpenID Connect Discovery 1.0). Throws 'unavailable' when it cannot be read, or is another issuer's. */
export async function discover(issuer: string): Promise<Discovery> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(LIMIT_MS) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const text = await response.text();
    if (text.length > MAX_BYTES) throw new Error('the document is too long');
    const document = documentSchema.parse(JSON.parse(text));
    if (document.issuer !== issuer) throw new Error(`it is of the issuer ${document.issuer}`);
    return document;
  } catch (cause) {
    throw new HubError('unavailable', 'The provider of single sign-on does not answer as it should', { cause });
  }
}
