import {
  type CSSVariablesResolver,
  createTheme,
  defaultVariantColorsResolver,
  type MantineColorsTuple,
  type MantineThemeOverride,
} from '@mantine/core';

const GREEN: MantineColorsTuple = [
  '#eef6f2',
  '#e2eee8',
  '#bfdccf',
  '#97cab5',
  '#74c9ab',
  '#4fa98b',
  '#338a6f',
  '#22705a',
  '#17594a',
  '#0f4639',
];
const STONE: MantineColorsTuple = [
  '#f6f5f0',
  '#f1efe8',
  '#e3e0d6',
  '#c9c5b8',
  '#a8a598',
  '#8a887d',
  '#666c64',
  '#50574f',
  '#333934',
  '#1b211e',
];
const NIGHT: MantineColorsTuple = [
  '#e9ece9',
  '#cdd3cf',
  '#b3bbb6',
  '#949e98',
  '#3d4541',
  '#2a302d',
  '#202523',
  '#181c1a',
  '#111412',
  '#0b0d0c',
];
const RED: MantineColorsTuple = [
  '#fdf3f0',
  '#fbe6e1',
  '#f5c4ba',
  '#f2a594',
  '#f2907d',
  '#dd5a43',
  '#c8412d',
  '#b93524',
  '#ad2c1d',
  '#8c2115',
];

const SANS = 'Plex, ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
const MONO = '"Plex Mono", ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace';

/** The look of the component library: sizes and defaults; colours come from tokens.css. */
export const theme: MantineThemeOverride = createTheme({
  colors: { green: GREEN, gray: STONE, dark: NIGHT, red: RED },
  primaryColor: 'green',
  primaryShade: { light: 8, dark: 4 },
  autoContrast: true,
  luminanceThreshold: 0.32,
  fontFamily: SANS,
  fontFamilyMonospace: MONO,
  fontSizes: { xs: '0.75rem', sm: '0.8438rem', md: '0.9063rem', lg: '1rem', xl: '1.125rem' },
  lineHeights: { xs: '1.4', sm: '1.45', md: '1.5', lg: '1.5', xl: '1.4' },
  defaultRadius: 'sm',
  radius: { xs: '3px', sm: '5px', md: '8px', lg: '12px', xl: '20px' },
  spacing: { xs: '0.5rem', sm: '0.75rem', md: '1rem', lg: '1.5rem', xl: '2.25rem' },
  headings: {
    fontFamily: SANS,
    fontWeight: '600',
    sizes: {
      h1: { fontSize: '1.5rem', lineHeight: '1.25' },
      h2: { fontSize: '1.0625rem', lineHeight: '1.35' },
      h3: { fontSize: '0.9375rem', lineHeight: '1.4' },
    },
  },
  // What stands on a filled ground is dark in the dark scheme, whose grounds are light.
  variantColorResolver: input => {
    const resolved = defaultVariantColorsResolver(input);
    return input.variant === 'filled' ? { ...resolved, color: 'var(--on-accent)' } : resolved;
  },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: 'sm' } },
    InputWrapper: { defaultProps: { inputWrapperOrder: ['label', 'description', 'input', 'error'] } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 300, events: { hover: true, focus: true, touch: true } } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.45 }, transitionProps: { duration: 120 } } },
    Drawer: { defaultProps: { position: 'right', overlayProps: { backgroundOpacity: 0.35 }, transitionProps: { duration: 150 } } },
    // Without it the focus goes to the first entry, and the menu holds entries only, as assistive programs expect.
    Menu: { defaultProps: { withInitialFocusPlaceholder: false, shadow: 'md', transitionProps: { duration: 80 } } },
  },
});

const COMMON = {
  '--mantine-color-body': 'var(--sheet)',
  '--mantine-color-text': 'var(--ink)',
  '--mantine-color-dimmed': 'var(--ink-faint)',
  '--mantine-color-placeholder': 'var(--ink-faint)',
  '--mantine-color-error': 'var(--bad)',
  '--mantine-color-anchor': 'var(--accent)',
  '--mantine-color-default': 'var(--sheet)',
  '--mantine-color-default-hover': 'var(--hover)',
  '--mantine-color-default-color': 'var(--ink)',
  '--mantine-color-default-border': 'var(--line-strong)',
  '--mantine-color-disabled': 'var(--inset)',
  '--mantine-color-disabled-color': 'var(--ink-faint)',
  '--mantine-color-disabled-border': 'var(--line)',
  '--mantine-primary-color-contrast': 'var(--on-accent)',
};

/** Puts the tokens where the component library looks for its colours. */
export const resolveVariables: CSSVariablesResolver = () => ({ variables: {}, light: COMMON, dark: COMMON });
