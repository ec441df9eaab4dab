/** Opening the store for commands that need a build of its history. */
import type { Store } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import type { Invocation } from "../invocation.js";
import type { GlobalOptions } from "./options.js";
import { type Access, type Library, storeThere, withStore } from "./storeAccess.js";

/**
 * Runs the work with the store.
 * @throws NacreError USAGE if there is none: then no build is remembered either
 */
export async function withHistory<T>(
  invocation: Invocation,
  options: GlobalOptions,
  access: Access,
  work: (store: Store, library: Library) => Promise<T>,
): Promise<T> {
  if (await storeThere(invocation, options)) return withStore(invocation, options, access, work);
  throw new NacreError("USAGE", "no build is remembered: there is no store yet", { hint: "build something first" });
}
