/** SOURCE_DATE_EPOCH, given as a build argument or as a global ARG (reproducible-builds.org, BuildKit: epoch). */
import { NacreError } from "../support/errors.js";
import type { SourcePlace } from "../support/source.js";

/**
 * Seconds since 1970 that a value of SOURCE_DATE_EPOCH stands for; undefined if it is empty or absent.
 * @param place where it is declared, if it comes from the Dockerfile
 * @throws NacreError PLAN_INVALID if it is not a whole number
 */
export function sourceDateEpoch(value: string | undefined, place?: SourcePlace): number | undefined {
  if (value === undefined || value === "") return undefined;
  const seconds = /^[+-]?[0-9]+$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(seconds)) {
    throw new NacreError("PLAN_INVALID", `invalid SOURCE_DATE_EPOCH: ${value}`, {
      hint: "give whole seconds since 1970, e.g. 1700000000",
      place,
    });
  }
  return seconds;
}
