/** Regular expressions that pick files of an image by their paths. Pure. */
import { NacreError } from "../support/errors.js";

/** Longest regular expression: the time that one takes grows with it. */
const MAX_REGEX = 1000;

/**
 * Compiles a regular expression (JavaScript's), which is looked for anywhere in a path that begins with a slash.
 * @returns for paths without a leading slash
 * @throws NacreError USAGE
 */
export function compilePathRegex(pattern: string): (path: string) => boolean {
  if (pattern.length > MAX_REGEX) throw new NacreError("USAGE", `a regular expression of ${pattern.length} characters`);
  let regex: RegExp;
  try {
    regex = new RegExp(pattern, "u");
  } catch (error) {
    throw new NacreError("USAGE", `${JSON.stringify(pattern)} is no regular expression`, {
      ...{ hint: error instanceof Error ? error.message : undefined, cause: error },
    });
  }
  return (path) => regex.test(`/${path}`);
}
