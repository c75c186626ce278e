type Rgb = readonly [red: number, green: number, blue: number];

/** What one colour becomes in a scheme. */
export interface BrandColours {
  readonly accent: string;
  readonly strong: string;
  readonly soft: string;
  /** For text on the accent. */
  readonly on: string;
}

/** Contrast of text by WCAG 2.2 AA, and a little for what is rounded. */
const CONTRAST = 4.6;
const STEP = 0.04;
const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];

const SCHEMES = {
  light: { grounds: ['#ffffff', '#f1efe8'], towards: BLACK, softness: 0.12 },
  dark: { grounds: ['#181c1a', '#2a302d'], towards: WHITE, softness: 0.18 },
} as const;

/**
 * The colours of a scheme that are made of '#rrggbb': as near to it as they can be while text in them, and on them, can be
 * read. Undefined for what is no colour.
 */
export function brandColours(colour: string, scheme: keyof typeof SCHEMES): BrandColours | undefined {
  const wanted = parse(colour);
  if (!wanted) return undefined;
  const { grounds, towards, softness } = SCHEMES[scheme];
  const paper = parse(grounds[0])!;
  const readable = (own: Rgb) =>
    [...grounds.map(ground => parse(ground)!), mix(paper, own, softness)].every(on => contrast(own, on) >= CONTRAST);
  let accent = wanted;
  for (let share = STEP; !readable(accent) && share <= 1; share += STEP) accent = mix(wanted, towards, share);
  const strong = mix(accent, towards, 0.15);
  const ink: Rgb = contrast(accent, WHITE) >= CONTRAST ? WHITE : mix(accent, BLACK, 0.85);
  return { accent: text(accent), strong: text(strong), soft: text(mix(paper, accent, softness)), on: text(ink) };
}

/** From 1 to 21 (WCAG 2.2, relative luminance). */
export function contrast(one: Rgb, other: Rgb): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** '#rrggbb' as numbers; undefined for anything else. */
export function parse(colour: string): Rgb | undefined {
  const match = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(colour);
  return match ? [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16), Number.parseInt(match[3]!, 16)] : undefined;
}

function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map(value => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
  return from.map((value, index) => Math.round(value + (to[index]! - value) * Math.min(1, share))) as unknown as Rgb;
}

function text(colour: Rgb): string {
  return `#${colour.map(value => value.toString(16).padStart(2, '0')).join('')}`;
}
