import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** Tells each document where the texts of each language are, so that those of the reader's are asked for before any script has run. */
const addressesOfTexts: Plugin = {
  name: 'addresses-of-texts',
  transformIndexHtml: {
    order: 'post',
    handler(html, { bundle }) {
      const addresses: Record<string, string> = {};
      for (const chunk of Object.values(bundle ?? {})) {
        const language = chunk.type === 'chunk' && /texts\/(\w+)\/index\.ts$/.exec(chunk.facadeModuleId ?? '')?.[1];
        if (language) addresses[language] = `./${chunk.fileName}`;
      }
      if (bundle && Object.keys(addresses).length < 2) throw new Error(`texts of ${Object.keys(addresses)} alone were built`);
      return html.replace('data-texts="{}"', `data-texts='${JSON.stringify(addresses)}'`);
    },
  },
};

/** Builds the pages into dist/web/ui: two documents, and assets that are named for their content. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  plugins: [react(), addressesOfTexts],
  // The server puts the nonce of each answer in its place, and its own base path in that of the base element.
  html: { cspNonce: '__CSP_NONCE__' },
  build: {
    outDir: '../../dist/web/ui',
    emptyOutDir: true,
    target: 'es2023',
    // A policy of default-src 'self' takes no data: URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
    manifest: 'manifest.json',
    rolldownOptions: { input: { admin: 'admin.html', client: 'client.html' } },
  },
});
