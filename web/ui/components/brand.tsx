import { useEffect } from 'react';
import { brandColours } from '../lib/brand-colours.js';
import { useBranding } from '../lib/branding.js';
import classes from './brand.module.css';

/** The logo of the hub; until one is chosen, its mark: goods that come in, are kept, and go out. */
export function Mark({ size = 26 }: { readonly size?: number }) {
  const { data } = useBranding();
  if (data?.logo) return <img src={data.logo} alt="" height={size} className={classes.logo} />;
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" role="img" aria-label={data?.name || 'Entrepot'}>
      <rect width="32" height="32" rx="7" fill="var(--accent)" />
      <g fill="none" stroke="var(--on-accent)" strokeWidth="3.2" strokeLinecap="square">
        <path d="M9.5 9h12M9.5 23h12M9.5 16h13" />
        <path d="m19.5 12 4 4-4 4" />
      </g>
    </svg>
  );
}

/** Puts the hub's own colour in place of the green of both schemes. */
export function useBrandColours(): void {
  const colour = useBranding().data?.colour ?? '';
  useEffect(() => {
    const rules = (['light', 'dark'] as const).map(scheme => {
      const colours = brandColours(colour, scheme);
      return colours && `:root[data-mantine-color-scheme="${scheme}"]{${declarations(colours)}}`;
    });
    if (!rules[0]) return;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(rules.join('\n'));
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    return () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter(one => one !== sheet);
    };
  }, [colour]);
}

function declarations({ accent, strong, soft, on }: NonNullable<ReturnType<typeof brandColours>>): string {
  return Object.entries({
    '--accent': accent,
    '--accent-strong': strong,
    '--accent-soft': soft,
    '--on-accent': on,
    '--mantine-color-green-filled': accent,
    '--mantine-color-green-filled-hover': strong,
    '--mantine-color-green-light': soft,
    '--mantine-color-green-light-color': accent,
    '--mantine-color-green-outline': accent,
    '--mantine-color-green-text': accent,
    '--mantine-primary-color-filled': accent,
    '--mantine-primary-color-filled-hover': strong,
    '--mantine-primary-color-light': soft,
    '--mantine-primary-color-light-color': accent,
    '--mantine-primary-color-contrast': on,
  })
    .map(([name, value]) => `${name}:${value}`)
    .join(';');
}
