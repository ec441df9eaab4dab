/** Advice on a Dockerfile in a folder, for tests. */
import { adviseContext } from "../../src/advice/advice.js";
import type { ContextQuery } from "../../src/advice/contextQuery.js";
import type { Finding } from "../../src/advice/finding.js";
import { folder } from "../context/folder.js";

/** All findings for a Dockerfile and the files of its context. */
export function advise(
  dockerfile: string,
  files: Readonly<Record<string, string>> = {},
  more: Partial<ContextQuery> = {},
): Promise<readonly Finding[]> {
  return adviseContext({
    context: folder(files),
    dockerfile: { kind: "text", text: dockerfile, name: "Dockerfile" },
    ...more,
  });
}

/** The findings as `line rule`. */
export async function rules(...given: Parameters<typeof advise>): Promise<string[]> {
  return (await advise(...given)).map(({ rule, place }) => `${place.range.start.line} ${rule}`);
}
