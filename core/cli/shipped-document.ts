import { z } from 'zod';
import { type DocumentedSection, renderOptions } from '../config/document.js';
import type { CliContext } from './context.js';
import { protocolsOf } from './shipped-types.js';

/** OPTIONS.md: the options of the core, and of the protocols and extensions that are shipped. */
export async function documentShipped(context: Pick<CliContext, 'loadShipped'>): Promise<string> {
  const { bundled } = await context.loadShipped();
  const sections: DocumentedSection[] = bundled.flatMap(extension =>
    protocolsOf(extension, (extension.options ?? z.strictObject({})).parse({}), '.').map(type => ({
      path: ['protocols', type.name],
      schema: type.options,
    })),
  );
  for (const { name, options } of bundled) if (options) sections.push({ path: ['extensions', name], schema: options });
  return renderOptions(sections);
}
