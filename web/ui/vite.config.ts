import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Builds the pages into dist/web/ui: two documents, and assets that are named for their content. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  plugins: [react()],
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
