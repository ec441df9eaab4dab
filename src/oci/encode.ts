/**
 * Writing image documents byte for byte as BuildKit's (Go's) encoder does: top-level keys of a config sorted, inner
 * structs in the order of their Go definitions, empty members left out, manifests indented by two blanks.
 */
import { encodeText } from "../support/bytes.js";
import { goJson, type OrderedJson } from "../support/json.js";
import type { ContainerConfig, Descriptor, ImageConfig, ImageIndex, Manifest } from "./documents.js";

/** The members of a container config in the order of BuildKit's struct (dockerspec.ImageConfig). */
const CONTAINER_ORDER = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Volumes",
  "WorkingDir",
  "Labels",
  "StopSignal",
  "ArgsEscaped",
  "Healthcheck",
  "OnBuild",
  "Shell",
] as const;
const HEALTHCHECK_ORDER = ["Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"];
const HISTORY_ORDER = ["created", "created_by", "author", "comment", "empty_layer"];
const DESCRIPTOR_ORDER = ["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"];
const PLATFORM_ORDER = ["architecture", "os", "os.version", "os.features", "variant"];

type JsonObject = Readonly<Record<string, OrderedJson | undefined>>;

/** The bytes of an image config. */
export function encodeConfig(config: ImageConfig): Buffer {
  const { config: container, history, rootfs, ...rest } = config;
  const members: Record<string, OrderedJson | undefined> = {
    ...(rest as JsonObject),
    config: encodeContainer(container ?? {}),
    history: (history ?? []).map((entry) => pick(entry as JsonObject, HISTORY_ORDER)),
    rootfs: { type: rootfs.type, diff_ids: [...(rootfs.diff_ids ?? [])] },
  };
  const sorted = Object.fromEntries(
    Object.keys(members)
      .sort()
      .filter((key) => !isEmpty(members[key]) || key === "config")
      .map((key) => [key, members[key]]),
  );
  return Buffer.from(goJson(sorted));
}

/** The bytes of an image manifest. */
export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(
    goJson(
      {
        schemaVersion: 2,
        mediaType: manifest.mediaType,
        artifactType: manifest.artifactType,
        config: encodeDescriptor(manifest.config),
        layers: manifest.layers.map(encodeDescriptor),
        subject: manifest.subject ? encodeDescriptor(manifest.subject) : undefined,
        annotations: sortedMap(manifest.annotations),
      },
      2,
    ),
  );
}

/** The bytes of an image index. @param indent 0 for the compact form that `index.json` has */
export function encodeIndex(index: ImageIndex, indent = 2): Buffer {
  return Buffer.from(
    goJson(
      {
        schemaVersion: 2,
        mediaType: index.mediaType,
        manifests: index.manifests.map(encodeDescriptor),
        annotations: sortedMap(index.annotations),
      },
      indent,
    ),
  );
}

function encodeDescriptor(descriptor: Descriptor): OrderedJson {
  const { annotations, platform, ...rest } = descriptor;
  return pick(
    {
      ...(rest as JsonObject),
      annotations: sortedMap(annotations),
      platform: platform ? pick(platform as unknown as JsonObject, PLATFORM_ORDER) : undefined,
    },
    DESCRIPTOR_ORDER,
  );
}

function encodeContainer(config: ContainerConfig): OrderedJson {
  const members: Record<string, OrderedJson | undefined> = { ...(config as JsonObject) };
  for (const map of ["ExposedPorts", "Volumes", "Labels"] as const)
    members[map] = sortedMap(config[map] as JsonObject | null | undefined);
  if (config.Healthcheck) members.Healthcheck = pick(config.Healthcheck as JsonObject, HEALTHCHECK_ORDER);
  // Cmd and Entrypoint: Go omits empty lists too, so `CMD []` and no CMD look the same.
  return pick(members, CONTAINER_ORDER);
}

/** The named members in that order, empty ones left out (Go's omitempty). */
function pick(object: JsonObject, order: readonly string[]): Record<string, OrderedJson | undefined> {
  return Object.fromEntries(order.filter((key) => !isEmpty(object[key])).map((key) => [key, object[key]]));
}

function sortedMap(map: JsonObject | null | undefined): OrderedJson | undefined {
  if (!map || Object.keys(map).length === 0) return undefined;
  return new Map(
    Object.keys(map)
      .sort(byBytes)
      .map((key) => [key, map[key]]),
  );
}

/** Go's order of strings; JavaScript's differs for characters beyond U+FFFF. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(encodeText(a), encodeText(b));
}

function isEmpty(value: OrderedJson | undefined): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return true;
  return Array.isArray(value) && value.length === 0;
}
