/** `--output`: the comma-separated form of buildx, read into a typed request. Pure. */
import type { CompressionRequest, Destination, ImageFormRequest, OutputRequest } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { nearest } from "../../support/suggest.js";
import { parseCsvLine } from "../csv.js";
import { parseBoolean, parseCompression, parseLevel } from "./parseValues.js";

/** Standard output, as outputs need to know it. */
export interface StdoutTarget {
  readonly stream: NodeJS.WritableStream;
  readonly isTTY: boolean;
}

/** What one `--output` asks for: an output to write, or more names for the image in the store. */
export type ParsedOutput =
  | { readonly kind: "output"; readonly output: OutputRequest }
  | {
      readonly kind: "names";
      readonly names: readonly string[];
      /** The image has these names with its digest, too. */
      readonly canonical?: true | undefined;
    };

const FORM_KEYS = [
  "type",
  "name",
  "compression",
  "compression-level",
  "force-compression",
  "rewrite-timestamp",
  "oci-mediatypes",
  "annotation.*",
];
const PUSH_KEYS = ["push-by-digest", "name-canonical", "layer-index"];
const IMAGE_KEYS = [...FORM_KEYS, "dest", "tar"];
const KEYS: Readonly<Record<string, readonly string[]>> = {
  oci: IMAGE_KEYS,
  docker: IMAGE_KEYS,
  local: ["type", "dest"],
  tar: ["type", "dest"],
  image: [...FORM_KEYS, ...PUSH_KEYS, "push"],
  registry: [...FORM_KEYS, ...PUSH_KEYS],
  podman: FORM_KEYS,
  cacheonly: ["type"],
};
const SHOWN_TYPES = ["oci", "docker", "local", "tar", "image", "registry", "podman"];

/**
 * Reads one `--output`: `type=oci,dest=x.tar,…`, or a bare path (`-o DIR`: the files in a directory; `-o -`: as a tar to
 * standard output). Keys are not case-sensitive, but for what follows `annotation.`.
 * @throws NacreError USAGE
 */
export function parseOutput(text: string, stdout: StdoutTarget): ParsedOutput {
  const fields = parseCsvLine(text);
  if (fields.length === 1 && !startsWithKey(text)) return { kind: "output", output: shorthand(text, stdout) };
  const values = new Map(fields.map((field) => splitField(field, text)));
  const type = values.get("type");
  if (!type) throw usage(`--output ${JSON.stringify(text)} has no type`, "add one, e.g. type=oci");
  const known = Object.hasOwn(KEYS, type) ? KEYS[type] : undefined;
  if (!known) {
    const near = nearest(type, Object.keys(KEYS));
    throw usage(
      `unknown output type ${JSON.stringify(type)}`,
      near ? `did you mean ${near}?` : `types are ${SHOWN_TYPES.join(", ")}`,
    );
  }
  for (const key of values.keys()) checkKey(key, type, known);
  // Every build is kept in the store and its cache.
  if (type === "cacheonly") return { kind: "names", names: [] };
  if (type === "image" && !flag(values, "push", false)) {
    const canonical = flag(values, "name-canonical", false) ? { canonical: true as const } : {};
    return { kind: "names", names: splitNames(values.get("name")) ?? [], ...canonical };
  }
  if (type === "image" || type === "registry") return { kind: "output", output: registryOutput(values) };
  if (type === "docker" && values.get("dest") === undefined && flag(values, "tar", true)) {
    return { kind: "output", output: { type: "engine", engine: "docker", ...formOf(values) } };
  }
  if (type === "podman") return { kind: "output", output: { type: "engine", engine: "podman", ...formOf(values) } };
  if (type === "local" || type === "tar") {
    return { kind: "output", output: { type, destination: destinationOf(type, values, type === "tar", stdout) } };
  }
  return { kind: "output", output: imageOutput(type as "oci" | "docker", values, stdout) };
}

/** A lone `dest=x` is a forgotten type, not a directory of that name. */
function startsWithKey(text: string): boolean {
  return IMAGE_KEYS.includes(/^([a-z-]+)=/i.exec(text)?.[1]?.toLowerCase() ?? "");
}

function shorthand(path: string, stdout: StdoutTarget): OutputRequest {
  if (path === "") throw usage("--output is empty", "give a directory, or type=…,dest=…");
  if (path === "-") return { type: "tar", destination: streamTo(stdout, "tar") };
  return { type: "local", destination: { kind: "path", path } };
}

function splitField(field: string, text: string): readonly [string, string] {
  const equals = field.indexOf("=");
  if (equals <= 0) {
    throw usage(
      `--output ${JSON.stringify(text)}: ${JSON.stringify(field)} is not key=value`,
      "write type=oci,dest=FILE",
    );
  }
  const key = field.slice(0, equals).trim();
  const dot = key.indexOf(".");
  const lower = dot < 0 ? key.toLowerCase() : key.slice(0, dot).toLowerCase() + key.slice(dot);
  return [lower, field.slice(equals + 1)];
}

function checkKey(key: string, type: string, known: readonly string[]): void {
  if (known.includes(key)) return;
  const annotations = known.includes("annotation.*");
  if (annotations && /^annotation(-manifest)?\../.test(key)) return;
  if (annotations && /^annotation(-manifest-descriptor|-index|-index-descriptor)?[.[]/.test(key)) {
    throw usage(
      `--output key ${key} is not available: annotations go to the manifest of a single image`,
      "write annotation.NAME=value",
    );
  }
  const near = nearest(key, known);
  const keys = known.join(", ");
  throw usage(
    `unknown key ${JSON.stringify(key)} for --output type=${type}`,
    near ? `did you mean ${near}?` : `keys are ${keys}`,
  );
}

function imageOutput(type: "oci" | "docker", values: ReadonlyMap<string, string>, stdout: StdoutTarget): OutputRequest {
  const tar = flag(values, "tar", true);
  return { type, destination: destinationOf(type, values, tar, stdout), tar, ...formOf(values) };
}

function registryOutput(values: ReadonlyMap<string, string>): OutputRequest {
  return {
    type: "registry",
    ...formOf(values),
    ...(flag(values, "push-by-digest", false) ? { byDigest: true } : {}),
    ...(flag(values, "name-canonical", false) ? { canonical: true } : {}),
    ...(flag(values, "layer-index", false) ? { layerIndex: true } : {}),
  };
}

/** What `--push` and `--load` ask for. */
export function plainForm(): ImageFormRequest {
  return formOf(new Map());
}

function formOf(values: ReadonlyMap<string, string>): ImageFormRequest {
  if (!flag(values, "oci-mediatypes", true)) {
    throw usage(
      "--output oci-mediatypes=false is not available",
      "nacre writes OCI media types, which Docker and registries take too",
    );
  }
  return {
    compression: compressionOf(values),
    names: splitNames(values.get("name")),
    rewriteTimestamp: flag(values, "rewrite-timestamp", false),
    annotations: annotationsOf(values),
  };
}

/** Tars go to standard output where no `dest` is given, as in buildx; `type=docker` without it is loaded into an engine. */
function destinationOf(
  type: string,
  values: ReadonlyMap<string, string>,
  tar: boolean,
  stdout: StdoutTarget,
): Destination {
  const dest = values.get("dest");
  if (dest !== undefined && dest !== "" && dest !== "-") return { kind: "path", path: dest };
  if (!tar) {
    throw usage(`--output type=${type} writes a directory and needs dest=DIR`, `add dest=DIR`);
  }
  return streamTo(stdout, type);
}

function streamTo(stdout: StdoutTarget, type: string): Destination {
  if (stdout.isTTY) {
    throw usage(
      `--output type=${type} would write an archive to the terminal`,
      "add dest=FILE, or redirect the output",
    );
  }
  return { kind: "stream", stream: stdout.stream };
}

function compressionOf(values: ReadonlyMap<string, string>): CompressionRequest {
  const type = parseCompression(values.get("compression") ?? "gzip", "compression");
  const force = flag(values, "force-compression", false);
  const text = values.get("compression-level");
  if (text === undefined) return { type, force };
  return { type, force, level: parseLevel(type, text) };
}

function annotationsOf(values: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const annotations = new Map<string, string>();
  for (const [key, value] of values) {
    const name = /^annotation(?:-manifest)?\.(.+)$/s.exec(key)?.[1];
    if (name) annotations.set(name, value);
  }
  return annotations;
}

function splitNames(text: string | undefined): readonly string[] | undefined {
  const names = text
    ?.split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return names && names.length > 0 ? names : undefined;
}

function flag(values: ReadonlyMap<string, string>, key: string, fallback: boolean): boolean {
  const text = values.get(key);
  return text === undefined ? fallback : parseBoolean(text, key);
}

function usage(message: string, hint: string): NacreError {
  return new NacreError("USAGE", message, { hint });
}
