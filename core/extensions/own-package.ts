/** Module hooks that answer 'entrepot' with the hub that runs, wherever the extension lies: its errors and types are then the hub's own. */

interface Own {
  readonly api: string;
  readonly testing: string;
}

type Resolve = (specifier: string, context: unknown) => Promise<{ readonly url: string }>;

let own: Own | undefined;

/** Called once by node:module's register() with the addresses of the hub's modules. */
export function initialize(data: Own): void {
  own = data;
}

/** Node's resolve hook: everything but 'entrepot' goes on as usual. */
export async function resolve(
  specifier: string,
  context: unknown,
  next: Resolve,
): Promise<{ readonly url: string; readonly shortCircuit?: boolean }> {
  if (own && specifier === 'entrepot') return { url: own.api, shortCircuit: true };
  if (own && specifier === 'entrepot/testing') return { url: own.testing, shortCircuit: true };
  return next(specifier, context);
}
