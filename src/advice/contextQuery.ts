/** Which directory and which ignore file a question about a context is about. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { BuildRequest } from "../build/request.js";
import type { IgnoreRules } from "../context/ignore.js";
import { foreignIgnoreFile, readIgnoreFile } from "../context/ignoreFile.js";
import { NacreError } from "../support/errors.js";

/** A context directory as `nacre build` would see it. */
export interface ContextQuery
  extends Pick<BuildRequest, "dockerfile" | "ignoreFile" | "target" | "buildArgs" | "platform" | "buildContexts"> {
  /** The directory; relative to the working directory. */
  readonly context: string;
  readonly signal?: AbortSignal | undefined;
}

/** The directory and its rules. */
export interface QueriedContext {
  /** Absolute. */
  readonly root: string;
  /** Absolute path of the Dockerfile, as far as it decides about the ignore file; it need not be there. */
  readonly dockerfile: string | undefined;
  readonly ignore: IgnoreRules | undefined;
  /** Something that the user should know about the ignore file. */
  readonly remark: string | undefined;
}

/**
 * Finds directory and rules. Unlike a build this needs no Dockerfile.
 * @throws NacreError CONTEXT_UNREADABLE, IGNORE_PATTERN
 */
export function readQuery({ context, dockerfile: source, ignoreFile }: ContextQuery): QueriedContext {
  const root = resolve(context);
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) {
    throw new NacreError("CONTEXT_UNREADABLE", `${context} is not a directory`, {
      hint: "give the directory that a build would be given, often .",
    });
  }
  const dockerfile =
    source === undefined ? defaultDockerfile(root) : source.kind === "file" ? resolve(source.path) : undefined;
  const ignore = readIgnoreFile({ root, dockerfile, ignoreFile });
  return { root, dockerfile, ignore, remark: ignore === undefined ? foreignIgnoreFile(root) : undefined };
}

function defaultDockerfile(root: string): string | undefined {
  return ["Dockerfile", "dockerfile"]
    .map((name) => join(root, name))
    .find((path) => statSync(path, { throwIfNoEntry: false }));
}
