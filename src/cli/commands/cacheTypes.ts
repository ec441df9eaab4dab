/** `--type` of the commands that look at the cache. */
import type { CacheType } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { nearest } from "../../support/suggest.js";
import { collect } from "./options.js";

const TYPES = ["step", "mount", "source", "snapshot", "layer"] as const satisfies readonly CacheType[];

/** Help for the flag. */
export const TYPE_HELP = "steps, mounts, sources, snapshots or layers; may be repeated, or a list with commas";

/** Gathers the values of the flag. */
export function collectTypes(value: string, previous: readonly string[] | undefined): readonly string[] {
  return value.split(",").reduce<readonly string[]>((all, one) => collect(one.trim(), all), previous ?? []);
}

/**
 * Reads the values: the singular and the plural of each.
 * @returns undefined if none is given, or all are
 * @throws NacreError USAGE
 */
export function parseTypes(values: readonly string[] | undefined): readonly CacheType[] | undefined {
  if (!values || values.includes("all")) return undefined;
  return values.map((value) => {
    const found = TYPES.find((type) => value === type || value === `${type}s`);
    if (found) return found;
    const plurals = TYPES.map((type) => `${type}s`);
    const near = nearest(value, plurals);
    throw new NacreError("USAGE", `unknown type ${JSON.stringify(value)}`, {
      hint: near ? `did you mean ${near}?` : `--type is ${plurals.join(", ")} or all`,
    });
  });
}
