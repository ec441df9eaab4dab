/** Opening the store for a command, and closing it whatever happens. */
import { existsSync } from "node:fs";
import type { Store, StoreOptions } from "../../index.js";
import { isNacreError } from "../../support/errors.js";
import type { Invocation } from "../invocation.js";
import { print } from "../invocation.js";
import { printable } from "../terminalText.js";
import type { GlobalOptions } from "./options.js";

/** The library, loaded only when a command runs. */
export type Library = typeof import("../../index.js");

/** What a command does to the store: `read` works on stores that cannot be written too; `write` makes one if need be. */
export type Access = "read" | "write";

/** The store's directory: `--store`, else what the environment says. */
export async function storePath(invocation: Invocation, options: GlobalOptions): Promise<string> {
  if (options.store) return options.store;
  const { defaultStorePath } = await import("../../index.js");
  return defaultStorePath(invocation.env);
}

/**
 * Runs the work with an opened store.
 * @throws NacreError STORE if there is none (`read`), or it cannot be used
 */
export async function withStore<T>(
  invocation: Invocation,
  options: GlobalOptions,
  access: Access,
  work: (store: Store, library: Library) => Promise<T>,
): Promise<T> {
  const library = await import("../../index.js");
  const path = await storePath(invocation, options);
  const warn = (message: string): void => print(invocation.stderr, [`warning: ${printable(message)}`]);
  const cleaner = library.storeCleaner(path);
  const opening = { warn, ...cleaner };
  const store = access === "write" ? await library.Store.open(path, opening) : await openToRead(library, path, opening);
  try {
    return await work(store, library);
  } finally {
    await store.close();
    await cleaner.close();
  }
}

/** Reading prefers a store that can be written, where derived data that is missing can be made again and kept. */
async function openToRead(library: Library, path: string, options: StoreOptions): Promise<Store> {
  try {
    return await library.Store.open(path, { ...options, create: false });
  } catch (error) {
    if (!isNacreError(error)) throw error;
    return library.Store.open(path, { ...options, readOnly: true });
  }
}

/** True if there is a store to open: on a new machine a listing is empty, not an error. */
export async function storeThere(invocation: Invocation, options: GlobalOptions): Promise<boolean> {
  return existsSync(await storePath(invocation, options));
}
