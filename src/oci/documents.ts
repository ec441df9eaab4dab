/**
 * The JSON documents of image-spec 1.1: descriptor, manifest, index, config. Types, and the checks that
 * everything read from outside passes before any of it is believed.
 */
import * as v from "valibot";
import { NacreError } from "../support/errors.js";
import type { Json } from "../support/json.js";
import { type DiffId, type Digest, isDigest } from "./digest.js";
import { isIndexType, isManifestType } from "./mediaTypes.js";

/** Largest manifest or index that is read (distribution-spec: servers must take 4 MB). */
export const MAX_MANIFEST_BYTES = 4 << 20;
/** Largest image config that is read. */
export const MAX_CONFIG_BYTES = 8 << 20;

const digest = v.custom<Digest>(isDigest, "not a sha256 digest");
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const strings = v.array(v.string());
const stringMap = v.record(v.string(), v.string());
const nullish = <S extends v.GenericSchema>(schema: S) => v.optional(v.nullable(schema));

const platformSchema = v.looseObject({
  os: v.string(),
  architecture: v.string(),
  variant: v.optional(v.string()),
  "os.version": v.optional(v.string()),
});

const descriptorSchema = v.looseObject({
  mediaType: v.string(),
  digest,
  size: count,
  annotations: v.optional(stringMap),
  platform: v.optional(platformSchema),
  artifactType: v.optional(v.string()),
  urls: v.optional(strings),
});

const manifestSchema = v.looseObject({
  schemaVersion: v.literal(2),
  mediaType: v.optional(v.string()),
  artifactType: v.optional(v.string()),
  config: descriptorSchema,
  layers: v.array(descriptorSchema),
  subject: v.optional(descriptorSchema),
  annotations: v.optional(stringMap),
});

const indexSchema = v.looseObject({
  schemaVersion: v.literal(2),
  mediaType: v.optional(v.string()),
  manifests: v.array(descriptorSchema),
  annotations: v.optional(stringMap),
});

const healthcheckSchema = v.looseObject({
  Test: nullish(strings),
  Interval: v.optional(v.number()),
  Timeout: v.optional(v.number()),
  StartPeriod: v.optional(v.number()),
  StartInterval: v.optional(v.number()),
  Retries: v.optional(v.number()),
});

const containerConfigSchema = v.looseObject({
  User: v.optional(v.string()),
  ExposedPorts: nullish(v.record(v.string(), v.unknown())),
  Env: nullish(strings),
  Entrypoint: nullish(strings),
  Cmd: nullish(strings),
  Volumes: nullish(v.record(v.string(), v.unknown())),
  WorkingDir: v.optional(v.string()),
  Labels: nullish(stringMap),
  StopSignal: v.optional(v.string()),
  ArgsEscaped: v.optional(v.boolean()),
  Healthcheck: nullish(healthcheckSchema),
  OnBuild: nullish(strings),
  Shell: nullish(strings),
});

const historySchema = v.looseObject({
  created: v.optional(v.string()),
  created_by: v.optional(v.string()),
  author: v.optional(v.string()),
  comment: v.optional(v.string()),
  empty_layer: v.optional(v.boolean()),
});

const configSchema = v.looseObject({
  created: v.optional(v.string()),
  author: v.optional(v.string()),
  architecture: v.optional(v.string(), ""),
  os: v.optional(v.string(), ""),
  variant: v.optional(v.string()),
  "os.version": v.optional(v.string()),
  "os.features": nullish(strings),
  config: nullish(containerConfigSchema),
  rootfs: v.looseObject({ type: v.string(), diff_ids: v.optional(v.nullable(v.array(digest))) }),
  history: nullish(v.array(historySchema)),
});

/** A pointer to bytes: what they are, their digest, how many. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly platform?: DescriptorPlatform | undefined;
  readonly artifactType?: string | undefined;
  readonly urls?: readonly string[] | undefined;
}

/** A platform as descriptors spell it. */
export interface DescriptorPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
  readonly "os.version"?: string | undefined;
}

/** An image manifest (image-spec, manifest.md). */
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** An image index (image-spec, image-index.md). */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string | undefined;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** Docker's health check; durations in nanoseconds, fields that are 0 absent. */
export interface Healthcheck {
  readonly Test?: readonly string[] | null | undefined;
  readonly Interval?: number | undefined;
  readonly Timeout?: number | undefined;
  readonly StartPeriod?: number | undefined;
  readonly StartInterval?: number | undefined;
  readonly Retries?: number | undefined;
}

/** How a container starts: OCI's fields and Docker's extras. */
export interface ContainerConfig {
  readonly User?: string | undefined;
  readonly ExposedPorts?: Readonly<Record<string, unknown>> | null | undefined;
  readonly Env?: readonly string[] | null | undefined;
  readonly Entrypoint?: readonly string[] | null | undefined;
  readonly Cmd?: readonly string[] | null | undefined;
  readonly Volumes?: Readonly<Record<string, unknown>> | null | undefined;
  readonly WorkingDir?: string | undefined;
  readonly Labels?: Readonly<Record<string, string>> | null | undefined;
  readonly StopSignal?: string | undefined;
  readonly ArgsEscaped?: boolean | undefined;
  readonly Healthcheck?: Healthcheck | null | undefined;
  readonly OnBuild?: readonly string[] | null | undefined;
  readonly Shell?: readonly string[] | null | undefined;
}

/** One line of an image's history (image-spec, config.md). */
export interface HistoryEntry {
  /** RFC 3339. */
  readonly created?: string | undefined;
  readonly created_by?: string | undefined;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  /** True if the instruction made no layer. */
  readonly empty_layer?: boolean | undefined;
}

/** An image config (image-spec, config.md). */
export interface ImageConfig {
  /** RFC 3339. */
  readonly created?: string | undefined;
  readonly author?: string | undefined;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string | undefined;
  readonly "os.version"?: string | undefined;
  readonly "os.features"?: readonly string[] | null | undefined;
  readonly config?: ContainerConfig | null | undefined;
  readonly rootfs: { readonly type: string; readonly diff_ids?: readonly DiffId[] | null | undefined };
  readonly history?: readonly HistoryEntry[] | null | undefined;
}

/** A manifest or an index, told apart. */
export type Document =
  | { readonly kind: "manifest"; readonly manifest: Manifest }
  | { readonly kind: "index"; readonly index: ImageIndex };

/**
 * Reads a manifest or index. Refuses documents that could be taken for both (CVE-2021-41190).
 * @param what names the document in errors
 * @throws NacreError CONTENT_INVALID, LIMIT_EXCEEDED
 */
export function parseDocument(bytes: Uint8Array, what: string): Document {
  const json = parseJson(bytes, MAX_MANIFEST_BYTES, what);
  const object = (json ?? {}) as Record<string, unknown>;
  const isIndex = "manifests" in object;
  if (isIndex && ("layers" in object || "config" in object)) {
    throw new NacreError("CONTENT_INVALID", `${what} is a manifest and an index at once`, {
      hint: "do not trust this image",
    });
  }
  if (object.schemaVersion === 1) {
    throw new NacreError("CONTENT_INVALID", `${what} is a Docker schema 1 manifest, which nacre does not read`, {
      hint: "push the image again with a current tool",
    });
  }
  const mediaType = object.mediaType;
  if (isIndex) {
    const index = check(indexSchema, json, what) as ImageIndex;
    if (typeof mediaType === "string" && !isIndexType(mediaType)) throw wrongType(what, mediaType);
    return { kind: "index", index };
  }
  const manifest = check(manifestSchema, json, what) as Manifest;
  if (typeof mediaType === "string" && !isManifestType(mediaType)) throw wrongType(what, mediaType);
  return { kind: "manifest", manifest };
}

/**
 * Reads an image config.
 * @throws NacreError CONTENT_INVALID, LIMIT_EXCEEDED
 */
export function parseConfig(bytes: Uint8Array, what: string): ImageConfig {
  return check(configSchema, parseJson(bytes, MAX_CONFIG_BYTES, what), what) as ImageConfig;
}

/**
 * Parses bounded JSON.
 * @throws NacreError CONTENT_INVALID, LIMIT_EXCEEDED
 */
export function parseJson(bytes: Uint8Array, limit: number, what: string): Json {
  if (bytes.length > limit)
    throw new NacreError("LIMIT_EXCEEDED", `${what} has ${bytes.length} bytes; at most ${limit} are read`);
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Json;
  } catch (error) {
    throw new NacreError("CONTENT_INVALID", `${what} is not JSON`, { cause: error });
  }
}

function check(schema: v.GenericSchema, json: unknown, what: string): unknown {
  const result = v.safeParse(schema, json, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const where = v.getDotPath(issue);
  throw new NacreError("CONTENT_INVALID", `${what} is malformed${where ? ` at ${where}` : ""}: ${issue.message}`);
}

function wrongType(what: string, mediaType: string): NacreError {
  return new NacreError("CONTENT_INVALID", `${what} has the media type ${mediaType}, which does not fit its content`);
}
