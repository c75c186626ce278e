// Runs before the first paint, so that a dark page does not flash white: the same keys as lib/preferences.ts.
(() => {
  const root = document.documentElement;
  try {
    const scheme = localStorage.getItem('entrepot.scheme') ?? 'auto';
    const dark = scheme === 'dark' || (scheme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
    root.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
    root.lang = localStorage.getItem('entrepot.language') ?? (navigator.language.startsWith('de') ? 'de' : 'en');
  } catch {
    root.setAttribute('data-mantine-color-scheme', 'light');
  }
})();
