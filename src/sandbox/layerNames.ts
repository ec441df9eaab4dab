/**
 * Names of a few bytes for the directories that overlays are put together from: all options of a mount have to fit into one
 * page, and hold no commas and colons. Each step of a series adds one layer, so the names are kept from step to step.
 */
import * as fs from "node:fs";
import { ioError } from "../support/errors.js";

/** A directory of symlinks. Close it in the end. */
export class LayerNames {
  readonly directory: string;
  readonly #names = new Map<string, string>();
  #isMade = false;

  /** @param directory absolute; made when the first name is given */
  constructor(directory: string) {
    this.directory = directory;
  }

  /** The name of a path in the directory. @throws NacreError STORE, DISK_FULL */
  of(path: string): string {
    let name = this.#names.get(path);
    if (name !== undefined) return name;
    name = this.#names.size.toString(36);
    try {
      if (!this.#isMade) fs.mkdirSync(this.directory, { mode: 0o700 });
      this.#isMade = true;
      fs.symlinkSync(path, `${this.directory}/${name}`);
    } catch (error) {
      throw ioError("STORE", `writing ${this.directory}`, error);
    }
    this.#names.set(path, name);
    return name;
  }

  /** Removes them. Never throws: what is left lies among the store's temporary files, and is swept with them. */
  close(): void {
    try {
      if (this.#isMade) fs.rmSync(this.directory, { recursive: true, force: true });
    } catch {
      // See above.
    }
  }
}

/** A path beside a step's directory, named like it, so that it is swept if it is left there. */
export function besides(stepDirectory: string, suffix: string): string {
  return `${stepDirectory.replace(/[^./]*$/, "")}${suffix}`;
}
