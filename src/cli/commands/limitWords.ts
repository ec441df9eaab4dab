/** The limits of the cache in words, with where each comes from. */
import type { ConfiguredLimits, Limit } from "../../index.js";
import { formatBytes } from "../../support/human.js";

/** One phrase for each limit: `at most 20GB (max-size, from …)`. Limits that do not exist are left out. */
export function limitWords({ maxSize, keepDuration, minFree }: ConfiguredLimits): string[] {
  return [
    phrase("max-size", maxSize, (value) => `at most ${formatBytes(value)}`, "of any size"),
    phrase("keep-duration", keepDuration, () => `used within ${keepDuration.text}`),
    phrase("min-free", minFree, () => `${minFree.text} of the disk left free`),
  ].flat();
}

function phrase<T>(name: string, limit: Limit<T>, words: (value: T) => string, none?: string): string[] {
  const { value, source } = limit;
  const text = value === undefined ? none : words(value);
  if (text === undefined) return [];
  return [source === "default" ? `${text} (default)` : `${text} (${name}: ${source})`];
}
