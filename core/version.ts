import { readFileSync } from 'node:fs';

const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

/** Version of the hub, as package.json says it. */
export const HUB_VERSION = (manifest as { readonly version: string }).version;
