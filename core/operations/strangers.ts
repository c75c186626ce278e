import { didYouMean } from '../config/nearest.js';
import type { OperationServices } from './services.js';

const MAX_NAMES = 1_000;

/** A sentence about a user who does not exist, with the nearest one who does. */
export async function noSuchUser({ users }: Pick<OperationServices, 'users'>, name: string): Promise<string> {
  const { items } = await users.page({}, undefined, MAX_NAMES);
  return `There is no user '${name}'${didYouMean(
    name,
    items.map(other => other.username),
  )}`;
}
