/** Version of the extension API: what `api` in an extension's manifest is checked against. */
export const API_VERSION = '1.0.0';
