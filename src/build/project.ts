/** What builds are compared with: the project that they belong to, and how its instructions read. */
import { realpathSync } from "node:fs";
import { basename } from "node:path";
import type { Step } from "../plan/graph.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson } from "../support/json.js";
import { projectIdentity } from "../support/project.js";
import type { SourcePlace } from "../support/source.js";
import { hideUserinfo } from "../support/url.js";
import type { LoadedDockerfile } from "./dockerfileSource.js";
import { contextIdentity } from "./inputs.js";
import type { BuildRequest } from "./request.js";

/** Builds of the same Dockerfile and context, wherever their files have gone meanwhile. */
export interface Project {
  /** 64 hex digits. */
  readonly id: string;
  /** Names under which its steps are remembered, the first that is known counts: it, and a directory of the same name with the same Dockerfile (a fresh clone). */
  readonly names: readonly string[];
}

/** The project of a request: what the user calls it, else Dockerfile and context. */
export function projectOf(request: BuildRequest, { dockerfile, path }: LoadedDockerfile): Project {
  const twin = sha256Hex(
    canonicalJson({ dockerfile: dockerfile.text, directory: basename(real(contextIdentity(request, ""))) }),
  );
  const id = projectIdentity(
    request.name !== undefined
      ? { name: request.name }
      : { dockerfile: path === undefined ? dockerfile.file : real(path), context: real(contextIdentity(request, "")) },
  );
  return { id, names: [id, twin] };
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** The instruction of a step as it is written, on one line; a trigger's as it was expanded. */
export function instructionOf({ place, label }: Step): string {
  if (place.note !== undefined) return label.replace(/^\[[^\]]*\] /, "");
  return hideUserinfo(textAt(place)).replace(/\s+/g, " ").trim();
}

function textAt({ text, range: { start, end } }: SourcePlace): string {
  let at = 0;
  for (let line = 1; line < start.line; line++) {
    at = text.indexOf("\n", at) + 1;
    if (at === 0) return "";
  }
  const from = at + start.column;
  for (let line = start.line; line < end.line; line++) {
    const next = text.indexOf("\n", at);
    if (next < 0) return text.slice(from);
    at = next + 1;
  }
  return text.slice(from, at + end.column);
}
