/** Finding and reading the Dockerfile and the ignore file of a build. */
import { readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { IgnoreRules } from "../context/ignore.js";
import { readIgnoreFile } from "../context/ignoreFile.js";
import type { Dockerfile } from "../dockerfile/ast.js";
import { parseDockerfile } from "../dockerfile/dockerfile.js";
import { decodeText } from "../support/bytes.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import type { BuildRequest } from "./request.js";

/** Largest Dockerfile that is read. */
const MAX_DOCKERFILE_BYTES = 16 << 20;

/** A Dockerfile with what belongs to it. */
export interface LoadedDockerfile {
  readonly dockerfile: Dockerfile;
  /** Absolute path; undefined for a text. */
  readonly path: string | undefined;
  readonly ignore: IgnoreRules | undefined;
}

/**
 * Reads and parses the Dockerfile of a request (BuildKit: `-f`, else `Dockerfile`, then `dockerfile` in the context).
 * @throws NacreError DOCKERFILE_MISSING, DOCKERFILE_SYNTAX, CONTEXT_UNREADABLE, IGNORE_PATTERN
 */
export function loadDockerfile(request: BuildRequest): LoadedDockerfile {
  const root = resolve(request.context);
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) {
    throw new NacreError("CONTEXT_UNREADABLE", `the build context ${request.context} is not a directory`, {
      hint: "give the directory that holds the files to build from, e.g. nacre build .",
    });
  }
  const source = request.dockerfile;
  if (source?.kind === "text") {
    const dockerfile = parseDockerfile(source.text, source.name ?? "-");
    return { dockerfile, path: undefined, ignore: readIgnoreFile({ root }) };
  }
  const { path, shown } = source
    ? { path: resolve(source.path), shown: source.path }
    : defaultPath(root, request.context);
  const dockerfile = parseDockerfile(decodeText(readDockerfile(path, shown)), source ? source.path : basename(path));
  return { dockerfile, path, ignore: readIgnoreFile({ root, dockerfile: path }) };
}

function defaultPath(root: string, context: string): { path: string; shown: string } {
  for (const name of ["Dockerfile", "dockerfile"]) {
    const path = join(root, name);
    if (statSync(path, { throwIfNoEntry: false })) return { path, shown: join(context, name) };
  }
  throw new NacreError("DOCKERFILE_MISSING", `failed to read dockerfile: there is no Dockerfile in ${context}`, {
    hint: "name it with -f PATH, or read it from standard input with -f -",
  });
}

function readDockerfile(path: string, shown: string): Buffer {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) {
      throw new NacreError("DOCKERFILE_MISSING", `failed to read dockerfile: ${shown} is a directory`, {
        hint: "name the file itself with -f PATH",
      });
    }
    if (stat.size > MAX_DOCKERFILE_BYTES) {
      throw new NacreError(
        "LIMIT_EXCEEDED",
        `${shown} has ${stat.size} bytes; at most ${MAX_DOCKERFILE_BYTES} are read`,
      );
    }
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") {
      throw new NacreError(
        "DOCKERFILE_MISSING",
        `failed to read dockerfile: open ${shown}: no such file or directory`,
        {
          hint: "-f is relative to the working directory, not to the context",
        },
      );
    }
    throw ioError("DOCKERFILE_MISSING", `reading ${shown}`, error);
  }
}
