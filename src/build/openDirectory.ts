/** A directory of the build as a context. */
import { realpathSync } from "node:fs";
import type { Context } from "../context/context.js";
import type { IgnoreRules } from "../context/ignore.js";
import { openLocalContext } from "../context/local.js";
import { statCacheName } from "../context/statCache.js";
import type { Session, Vertex } from "./session.js";

/** A directory, with what the store knows of its files. */
export async function openDirectory(
  session: Session,
  root: string,
  ignore: IgnoreRules | undefined,
  vertex: Vertex,
): Promise<Context> {
  return openLocalContext({
    root,
    ignore,
    statCache: session.store.statPath(statCacheName(realpathSync(root), ignore?.file)),
    warn: (message: string) => session.warn({ rule: "Context", message }),
    signal: session.signal,
    onProgress: (files: number) => vertex.progress(files, undefined, "files"),
  });
}
