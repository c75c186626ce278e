// Runs before the first paint, so that a dark page does not flash white, and the texts are on their way from the start: the same keys as
// lib/preferences.ts.
(() => {
  const root = document.documentElement;
  const { texts } = document.currentScript.dataset;
  try {
    const scheme = localStorage.getItem('entrepot.scheme') ?? 'auto';
    const dark = scheme === 'dark' || (scheme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
    root.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
    root.lang = localStorage.getItem('entrepot.language') ?? (navigator.language.toLowerCase().startsWith('de') ? 'de' : 'en');
  } catch {
    root.setAttribute('data-mantine-color-scheme', 'light');
  }
  const href = JSON.parse(texts)[root.lang];
  if (href) document.head.append(Object.assign(document.createElement('link'), { rel: 'modulepreload', href }));
})();
