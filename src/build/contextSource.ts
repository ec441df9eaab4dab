/** What the context argument of a build and the values of `--build-context` say, before anything is opened. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { NacreError } from "../support/errors.js";
import { type GitAddress, parseGitAddress } from "../support/gitAddress.js";
import { withoutUserinfo } from "../support/url.js";

/** Where the files of a context come from. */
export type FilesSource =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "git"; readonly address: GitAddress }
  | { readonly kind: "http"; readonly url: string };

/** The value of a `--build-context`, read. */
export type NamedContext =
  | FilesSource
  | { readonly kind: "layout"; readonly path: string; readonly name: string | undefined }
  | { readonly kind: "image"; readonly reference: string }
  /** Another stage of the same Dockerfile. */
  | { readonly kind: "target"; readonly stage: string };

/** True for contexts that are files, not an image. */
export function isFiles({ kind }: NamedContext): boolean {
  return kind === "directory" || kind === "git" || kind === "http";
}

/**
 * Reads the context argument (docker build: an existing directory first, then a git address, then a URL).
 * @throws NacreError CONTEXT_UNREADABLE
 */
export function parseContext(text: string): FilesSource {
  if (isDirectory(text)) return { kind: "directory", path: resolve(text) };
  const remote = parseRemote(text);
  if (remote) return remote;
  const isThere = existsSync(text);
  const what = isThere ? "is not a directory" : "is not there";
  throw new NacreError("CONTEXT_UNREADABLE", `the build context ${text} ${what}`, {
    hint: `give the directory that holds the files to build from${isThere ? `; a Dockerfile is named with -f: nacre build -f ${text} .` : ", e.g. nacre build ."}`,
  });
}

/**
 * Reads all `--build-context` values.
 * @throws NacreError CONTEXT_UNREADABLE
 */
export function parseNamedContexts(contexts: Readonly<Record<string, string>>): ReadonlyMap<string, NamedContext> {
  return new Map(Object.entries(contexts).map(([name, value]) => [name, parseNamedContext(name, value)]));
}

/** How people see a source: without the credentials that an address may hold. */
export function shownSource(source: FilesSource): string {
  switch (source.kind) {
    case "directory":
      return source.path;
    case "git":
      return shownGit(source.address);
    case "http":
      return withoutUserinfo(source.url);
  }
}

/** A git address as people write it, without credentials. */
export function shownGit({ shown, ref, subdir }: GitAddress): string {
  const place = subdir === undefined ? (ref ?? "") : `${ref ?? ""}:${subdir}`;
  return place === "" ? shown : `${shown}#${place}`;
}

function parseNamedContext(name: string, value: string): NamedContext {
  const layout = /^oci-layout:\/\/(.+)$/.exec(value);
  if (layout) return parseLayout(layout[1]!);
  const image = /^docker-image:\/\/(.+)$/.exec(value);
  if (image) return { kind: "image", reference: image[1]! };
  const target = /^target:(.+)$/.exec(value);
  if (target) return { kind: "target", stage: target[1]! };
  if (isDirectory(value)) return { kind: "directory", path: resolve(value) };
  const remote = parseRemote(value);
  if (remote) return remote;
  throw new NacreError("CONTEXT_UNREADABLE", `--build-context ${name}=${value}: there is no such directory`, {
    hint: "write name=DIRECTORY, name=oci-layout://DIRECTORY[:tag], name=docker-image://REFERENCE, name=target:STAGE, or a git or http address",
  });
}

function parseRemote(text: string): FilesSource | undefined {
  const address = parseGitAddress(text, "context");
  if (address) return { kind: "git", address };
  return /^https?:\/\//.test(text) ? { kind: "http", url: text } : undefined;
}

/** True for an existing directory. */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** `DIR`, `DIR:tag` or `DIR@sha256:…`; a colon inside the directory's own name is tried as a part of it first. */
function parseLayout(text: string): NamedContext {
  const at = /^(.*)@(sha256:[0-9a-f]{64})$/.exec(text);
  if (at) return { kind: "layout", path: resolve(at[1]!), name: at[2] };
  const tag = /^(.*):([A-Za-z0-9_][A-Za-z0-9._-]{0,127})$/.exec(text);
  if (tag && !statSync(text, { throwIfNoEntry: false }))
    return { kind: "layout", path: resolve(tag[1]!), name: tag[2] };
  return { kind: "layout", path: resolve(text), name: undefined };
}
