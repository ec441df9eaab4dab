/** Helpers for tests about errors. */
import { isNacreError, type NacreError } from "../../src/support/errors.js";

/** The NacreError that an action throws; fails where it throws none. */
export function errorOf(action: () => unknown): NacreError {
  try {
    action();
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** The same for an action that answers later. */
export async function rejectionOf(action: () => Promise<unknown>): Promise<NacreError> {
  try {
    await action();
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
