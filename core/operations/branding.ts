import { z } from 'zod';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';

/** What the pages call the hub, and how they look. */
export interface Branding {
  readonly name: string;
  /** '#rrggbb', or empty. */
  readonly colour: string;
  /** A data: URL of a picture, or empty. */
  readonly logo: string;
}

const KEY = 'branding';
const MAX_LOGO = 200_000;
const kept = z.object({ name: z.string(), colour: z.string(), logo: z.string() }).catch({ name: '', colour: '', logo: '' });

/** What a change of the branding may say. */
export const brandingChange = {
  name: z.string().max(60).optional(),
  colour: z
    .string()
    .regex(/^(#[\da-f]{6})?$/i, "expected a colour such as '#1c7ed6'")
    .optional(),
  logo: z
    .string()
    .max(MAX_LOGO)
    .regex(/^(data:image\/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2})?$/, 'expected a data: URL of a PNG, JPEG, WebP or GIF')
    .optional(),
};

/** What owners do with name, colour and logo of the pages. */
export const brandingOperations = {
  'branding.show': operation(z.strictObject({}), async services => brandingOf(services)),

  /** Changes what is given; an empty text takes it away. */
  'branding.set': operation(z.strictObject(brandingChange), async (services, { name, colour, logo }): Promise<Branding> => {
    const before = await brandingOf(services);
    const changed = { name: name ?? before.name, colour: colour ?? before.colour, logo: logo ?? before.logo };
    await services.settings.set(KEY, changed);
    return changed;
  }),
};

async function brandingOf({ settings }: OperationServices): Promise<Branding> {
  return kept.parse(await settings.get(KEY));
}
