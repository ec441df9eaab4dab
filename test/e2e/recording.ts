/** What Docker did, kept in testdata/e2e, so that tests compare with it where there is no Docker. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Steps } from "./builders.js";

/** True if Docker is to be asked anew: test/e2e/record. */
export const isRecording = process.env.NACRE_E2E_RECORD === "1";

/** The builds of one file of testdata/e2e, by name. */
export class Recording {
  readonly #path: string;
  readonly #builds: Record<string, Steps>;

  constructor(name: string) {
    this.#path = fileURLToPath(new URL(`../../testdata/e2e/${name}.json`, import.meta.url));
    this.#builds = existsSync(this.#path) ? JSON.parse(readFileSync(this.#path, "utf8")) : {};
  }

  get names(): readonly string[] {
    return Object.keys(this.#builds);
  }

  get(name: string): Steps | undefined {
    return this.#builds[name];
  }

  set(name: string, steps: Steps): void {
    // In an order that does not depend on which step was faster.
    this.#builds[name] = Object.fromEntries(Object.entries(steps).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Writes the builds of these names, in their order, and forgets others. */
  save(names: readonly string[]): void {
    const builds = names.flatMap((name) => (this.#builds[name] ? [[name, this.#builds[name]] as const] : []));
    writeFileSync(this.#path, `${JSON.stringify(Object.fromEntries(builds), null, 1)}\n`);
  }
}
