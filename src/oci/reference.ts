/** Image references: `[host/]path[:tag][@digest]`, with Docker's defaults (distribution reference grammar). */
import { NacreError } from "../support/errors.js";
import { type Digest, isDigest } from "./digest.js";

/** A reference with everything that Docker leaves out put in. */
export interface Reference {
  /** Registry host with port, e.g. `docker.io`. */
  readonly host: string;
  /** Repository path, e.g. `library/alpine`. */
  readonly path: string;
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

const HOST =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * Reads a reference as people write it. Without tag and digest the tag is `latest`.
 * @throws NacreError REFERENCE_INVALID
 */
export function parseReference(text: string): Reference {
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  let name = at < 0 ? text : text.slice(0, at);
  const colon = name.lastIndexOf(":");
  let tag: string | undefined;
  if (colon > name.lastIndexOf("/")) {
    tag = name.slice(colon + 1);
    name = name.slice(0, colon);
  }
  if (digest !== undefined && !isDigest(digest)) throw invalid(text, "the digest is not sha256: and 64 hex digits");
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, `${JSON.stringify(tag)} is not a tag`);
  const { host, path } = splitHost(name);
  if (!HOST.test(host)) throw invalid(text, `${JSON.stringify(host)} is not a registry host`);
  if (!PATH.test(path)) {
    throw invalid(
      text,
      /[A-Z]/.test(path)
        ? "the repository name must be lower case"
        : `${JSON.stringify(path)} is not a repository name`,
    );
  }
  if (host.length + 1 + path.length > 255) throw invalid(text, "it is longer than 255 characters");
  return {
    host,
    path,
    ...(tag === undefined && digest === undefined ? { tag: "latest" } : { tag }),
    ...(digest ? { digest } : {}),
  };
}

/** True if {@link parseReference} takes the text. */
export function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}

/** The whole name: `docker.io/library/alpine:latest`. */
export function formatReference(reference: Reference): string {
  const { host, path, tag, digest } = reference;
  return `${host}/${path}${tag ? `:${tag}` : ""}${digest ? `@${digest}` : ""}`;
}

/** The short name that Docker shows: `alpine:latest`. */
export function familiarName(reference: Reference): string {
  const { host, path, tag, digest } = reference;
  const repository = host !== "docker.io" ? `${host}/${path}` : path.replace(/^library\/(?=[^/]+$)/, "");
  return `${repository}${tag ? `:${tag}` : ""}${digest ? `@${digest}` : ""}`;
}

/** The short form of a name as Docker shows it; a text that is no reference (other tools may write such names) stays as it is. */
export function shortenName(name: string): string {
  try {
    return familiarName(parseReference(name));
  } catch {
    return name;
  }
}

function splitHost(name: string): { host: string; path: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  if (slash > 0 && (/[.:[]/.test(first) || first === "localhost" || first !== first.toLowerCase())) {
    const host = first === "index.docker.io" ? "docker.io" : first;
    return { host, path: dockerPath(host, name.slice(slash + 1)) };
  }
  return { host: "docker.io", path: dockerPath("docker.io", name) };
}

function dockerPath(host: string, path: string): string {
  return host === "docker.io" && path !== "" && !path.includes("/") ? `library/${path}` : path;
}

function invalid(text: string, why: string): NacreError {
  return new NacreError("REFERENCE_INVALID", `invalid image reference ${JSON.stringify(text)}: ${why}`, {
    hint: "write it as [host/]name[:tag][@sha256:…], the name in lower case",
  });
}
