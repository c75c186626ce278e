import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ResponseToolkit, Server } from '@hapi/hapi';
import * as inert from '@hapi/inert';
import type { WebOptions } from '../options.js';
import { pagePolicy } from './headers.js';

/** Where Vite writes the pages. */
const BUILT = fileURLToPath(new URL('../ui', import.meta.url));
const YEAR_MS = 365 * 86_400_000;
const NONCE_BYTES = 16;

/** Both of them handle every path below theirs by themselves. */
const PAGES: Readonly<Record<string, readonly string[]>> = {
  'admin.html': ['admin', 'admin/{path*}', 'setup'],
  'client.html': ['', 'files', 'files/{path*}', 'login', 'account', 'account/{path*}'],
};

const NOT_BUILT = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Entrepot</title></head><body>
<h1>The pages are not built</h1><p>Run <code>npm run build:ui</code> in the source tree, and load this page again. The API works without them.</p>
</body></html>`;

/** Serves what Vite built: hashed assets for ever, pages with a nonce of their own each time. */
export async function addPages(server: Server, { basePath }: WebOptions, built = BUILT): Promise<void> {
  await server.register(inert);
  server.route({
    method: 'GET',
    path: `${basePath}assets/{file*}`,
    options: { cache: { expiresIn: YEAR_MS, privacy: 'public' } },
    handler: { directory: { path: join(built, 'assets'), index: false, lookupCompressed: true } },
  });
  for (const [file, paths] of Object.entries(PAGES)) {
    for (const path of paths) {
      server.route({ method: 'GET', path: `${basePath}${path}`, handler: (_request, h) => page(join(built, file), basePath, h) });
    }
  }
}

async function page(file: string, basePath: string, h: ResponseToolkit) {
  const html = await readFile(file, 'utf8').catch(() => NOT_BUILT);
  const nonce = randomBytes(NONCE_BYTES).toString('base64');
  // Assets are named relative to the base, whatever path below it the page is opened by.
  const own = html.replaceAll('__CSP_NONCE__', nonce).replace('<base href="/" />', `<base href="${basePath}" />`);
  return h.response(own).type('text/html').header('content-security-policy', pagePolicy(nonce)).header('cache-control', 'no-cache');
}
