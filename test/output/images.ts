/** What the tests of outputs share. */
import { execFileSync } from "node:child_process";
import type { OutputEnv } from "../../src/output/request.js";
import type { Store } from "../../src/store/store.js";

/** An environment with little in it. */
export function envOf(store: Store, more: Partial<OutputEnv> = {}): OutputEnv {
  return {
    store,
    names: ["docker.io/library/some:1"],
    created: "2024-01-02T03:04:05Z",
    newLayers: new Set(),
    jobs: 2,
    ...more,
  };
}

/** Standard output of a shell line. */
export const sh = (command: string): string =>
  execFileSync("sh", ["-c", command], { stdio: "pipe", maxBuffer: 1 << 26 }).toString();
