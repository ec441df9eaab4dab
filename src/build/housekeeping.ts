/** What is done for the store when a build is over. Whatever becomes of it, the build has ended as it has. */
import { type AutoPruneOptions, autoPrune } from "../store/autoPrune.js";
import type { Store } from "../store/store.js";
import { isNacreError } from "../support/errors.js";

/**
 * Keeps the cache within its limits. Failures are warnings.
 * @param warn told of what went wrong
 */
export async function keepHouse(
  store: Store,
  options: AutoPruneOptions | undefined,
  warn: (message: string) => void,
): Promise<void> {
  try {
    await autoPrune(store, options);
  } catch (error) {
    if (!isNacreError(error)) throw error;
    warn(`the cache was not looked after: ${error.message}`);
  }
}
