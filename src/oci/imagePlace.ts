/** Where an image is, as it is written: `TRANSPORT:…`, or a name alone. Pure. */

import { NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import { type Digest, isDigest } from "./digest.js";
import { formatReference, parseReference, type Reference } from "./reference.js";

/** A place of an image. */
export type ImagePlace =
  | { readonly kind: "registry"; readonly reference: Reference }
  /** An image of the store: a name, a digest, an id or the beginning of one; as a destination, a name. */
  | { readonly kind: "store"; readonly name: string }
  /** An OCI layout or a docker-archive. */
  | {
      readonly kind: "archive";
      readonly format: "oci" | "oci-archive" | "docker-archive";
      readonly path: string;
      /** A tag or a full name in it. */
      readonly name?: string | undefined;
    }
  | { readonly kind: "engine"; readonly engine: "docker" | "podman"; readonly name: Reference | Digest };

const TRANSPORTS = [
  ...["docker://", "oci:", "oci-archive:", "docker-archive:", "store:", "docker-daemon:", "containers-storage:"],
] as const;

/** True for a text that begins with one of the transports. */
export function hasTransport(text: string): boolean {
  return TRANSPORTS.some((each) => text.startsWith(each));
}

/**
 * Reads a place. What begins with no transport is a name in a registry.
 * @throws NacreError USAGE, REFERENCE_INVALID
 */
export function parseImagePlace(text: string): ImagePlace {
  const transport = TRANSPORTS.find((each) => text.startsWith(each));
  if (transport === undefined) {
    assertNoTransport(text);
    return { kind: "registry", reference: parseReference(text) };
  }
  const rest = text.slice(transport.length);
  if (rest === "") throw usage(`${text} names nothing`, `write what is meant behind ${transport}`);
  switch (transport) {
    case "docker://":
      return { kind: "registry", reference: parseReference(rest) };
    case "store:":
      return { kind: "store", name: rest };
    case "docker-daemon:":
      return { kind: "engine", engine: "docker", name: engineName(rest) };
    case "containers-storage:":
      return { kind: "engine", engine: "podman", name: engineName(rest) };
    default:
      return archivePlace(transport.slice(0, -1) as "oci" | "oci-archive" | "docker-archive", rest);
  }
}

/** The place as people see it. */
export function showImagePlace(place: ImagePlace): string {
  switch (place.kind) {
    case "registry":
      return formatReference(place.reference);
    case "store":
      return `store:${place.name}`;
    case "archive":
      return `${place.format}:${place.path}${place.name === undefined ? "" : `:${place.name}`}`;
    case "engine":
      return `${place.engine === "docker" ? "docker-daemon" : "containers-storage"}:${engineText(place.name)}`;
  }
}

/** The name of an image as engines take it. */
export function engineText(name: Reference | Digest): string {
  return typeof name === "string" ? name : formatReference(name);
}

/** As skopeo has it: the first colon ends the path, so that what follows may be a whole name. */
function archivePlace(format: "oci" | "oci-archive" | "docker-archive", rest: string): ImagePlace {
  const colon = rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const name = colon < 0 ? "" : rest.slice(colon + 1);
  if (path === "") throw usage(`${format}:${rest} names no file`, `write ${format}:PATH or ${format}:PATH:TAG`);
  return { kind: "archive", format, path, ...(name === "" ? {} : { name }) };
}

function engineName(text: string): Reference | Digest {
  return isDigest(text) ? text : parseReference(text);
}

/** `dokcer://x` and `dir:x` would else be told to be wrong names. */
function assertNoTransport(text: string): void {
  const written = /^([a-z][a-z-]*):(\/\/)?/.exec(text)?.[0];
  const near = written === undefined ? undefined : nearest(written, TRANSPORTS);
  const isPlain = written !== undefined && !written.endsWith("//") && near === undefined && written !== "dir:";
  if (written === undefined || isPlain) return;
  throw usage(
    `unknown transport ${JSON.stringify(written)}`,
    near === undefined ? `the transports are ${TRANSPORTS.join(", ")}` : `did you mean ${near}?`,
  );
}

function usage(message: string, hint: string): NacreError {
  return new NacreError("USAGE", message, { hint });
}
