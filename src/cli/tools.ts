/** Programs that nacre uses where they are installed, and what for. */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** A program outside of nacre. */
export interface Tool {
  readonly name: string;
  /** What it is used for. */
  readonly purpose: string;
}

/** All of them. Nothing else needs one. */
export const TOOLS: readonly Tool[] = [
  { name: "flock", purpose: "several processes at once in one store" },
  { name: "getfattr", purpose: "file capabilities of context files" },
  { name: "bzip2", purpose: "archives compressed with bzip2" },
  { name: "xz", purpose: "archives compressed with xz" },
];

/** Where a program lies on the search path, or undefined. @param path the value of PATH */
export function findTool(name: string, path: string | undefined): string | undefined {
  for (const directory of (path ?? "").split(delimiter)) {
    if (directory === "") continue;
    const file = join(directory, name);
    if (isExecutable(file)) return file;
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
