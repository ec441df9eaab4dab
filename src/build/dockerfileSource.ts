/** Finding and reading the Dockerfile and the ignore file of a build. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { IgnoreRules } from "../context/ignore.js";
import { readIgnoreFile } from "../context/ignoreFile.js";
import type { Dockerfile } from "../dockerfile/ast.js";
import { parseDockerfile } from "../dockerfile/dockerfile.js";
import type { PlanWarning } from "../plan/graph.js";
import { checkSyntax } from "../plan/syntax.js";
import { decodeText } from "../support/bytes.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import type { BuildRequest } from "./request.js";

/** Largest Dockerfile that is read. */
export const MAX_DOCKERFILE_BYTES = 16 << 20;

/** What decides about `# syntax=`. */
type SyntaxRequest = Pick<BuildRequest, "buildArgs" | "ignoreSyntax">;

/** A Dockerfile with what belongs to it. */
export interface LoadedDockerfile {
  readonly dockerfile: Dockerfile;
  /** Absolute path; undefined for a text. */
  readonly path: string | undefined;
  readonly ignore: IgnoreRules | undefined;
}

/**
 * Reads and parses the Dockerfile of a request (BuildKit: `-f`, else `Dockerfile`, then `dockerfile` in the context).
 * @param root the context directory
 * @throws NacreError DOCKERFILE_MISSING, DOCKERFILE_SYNTAX, CONTEXT_UNREADABLE, IGNORE_PATTERN
 */
export function loadDockerfile(
  request: Pick<BuildRequest, "context" | "dockerfile" | "ignoreFile"> & SyntaxRequest,
  root: string,
): LoadedDockerfile {
  const { dockerfile: source, ignoreFile } = request;
  if (source?.kind === "text") {
    const dockerfile = parse(source.text, source.name ?? "-", request);
    return { dockerfile, path: undefined, ignore: readIgnoreFile({ root, ignoreFile }) };
  }
  if (source?.kind === "url") throw new TypeError(`${source.url} has to be fetched first`);
  const { path, shown } = source
    ? { path: resolve(source.path), shown: source.path }
    : defaultPath(root, shownContext(request));
  const dockerfile = parse(
    decodeText(readDockerfile(path, shown, shownContext(request))),
    source ? source.path : basename(path),
    request,
  );
  return { dockerfile, path, ignore: readIgnoreFile({ root, dockerfile: path, ignoreFile }) };
}

/** A Dockerfile without a place on disk, and without an ignore file. */
export function parsedDockerfile(text: string, name: string, request: SyntaxRequest): LoadedDockerfile {
  return { dockerfile: parse(text, name, request), path: undefined, ignore: undefined };
}

/** A file for another frontend is not even parsed. */
function parse(text: string, file: string, request: SyntaxRequest): Dockerfile {
  syntaxNote(text, file, request);
  return parseDockerfile(text, file);
}

/** What is to be said about the frontend that the file asks for, if it does. @throws NacreError UNSUPPORTED */
export function syntaxNote(text: string, file: string, request: SyntaxRequest): PlanWarning | undefined {
  return checkSyntax(text, file, { buildArgs: request.buildArgs ?? {}, ignore: request.ignoreSyntax ?? false });
}

function shownContext({ context }: Pick<BuildRequest, "context">): string {
  return typeof context === "string" ? context : "standard input";
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

function readDockerfile(path: string, shown: string, context: string): Buffer {
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
        { hint: "is it a Dockerfile? Name another one with -f PATH" },
      );
    }
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") {
      throw new NacreError(
        "DOCKERFILE_MISSING",
        `failed to read dockerfile: open ${shown}: no such file or directory`,
        { hint: missingHint(path, shown, context) },
      );
    }
    const hint = "see that it is a file that you may read, or name another one with -f PATH";
    throw ioError("DOCKERFILE_MISSING", `reading ${shown}`, error, hint);
  }
}

/** The same path in the context, else a file of nearly that name, else what the path is relative to. */
function missingHint(path: string, shown: string, context: string): string {
  const inContext = join(context, shown);
  if (statSync(inContext, { throwIfNoEntry: false })?.isFile()) return `did you mean -f ${inContext}?`;
  const near = nearest(basename(path), namesIn(dirname(path)));
  if (near !== undefined) return `did you mean -f ${join(dirname(shown), near)}?`;
  return "-f is relative to the working directory, not to the context";
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
