/** Everything that is known of one image, in the fields of `docker image inspect` and some more. */
import { pulledFrom } from "../image/pulledFrom.js";
import type { DiffId, Digest } from "../oci/digest.js";
import type { ContainerConfig, Descriptor, HistoryEntry } from "../oci/documents.js";
import { formatPlatform } from "../oci/platform.js";
import { shortenName } from "../oci/reference.js";
import type { Store } from "../store/store.js";
import { findBase } from "./baseImage.js";
import { statsOf } from "./imageHistory.js";
import { dockerfileLines } from "./layerLines.js";
import type { LayerObstacle, OpenedImage } from "./types.js";

/** A layer as {@link inspectOpened} tells it. */
export interface LayerInspection {
  /** Of the blob as the manifest names it. */
  readonly Digest: Digest;
  readonly MediaType: string;
  /** Bytes of that blob. */
  readonly Size: number;
  readonly DiffID: DiffId;
  /** Identifies the layer with all below it (image-spec, config.md, "Layer ChainID"). */
  readonly ChainID: Digest;
  /** Regular files, and their bytes. Absent where the layer would have to be fetched for that, or cannot be read. */
  readonly Files?: number | undefined;
  readonly UnpackedSize?: number | undefined;
  /** The instruction that made it, from the history. */
  readonly CreatedBy?: string | undefined;
  /** Where that stands, if the store's builds tell. */
  readonly DockerfileLine?: number | undefined;
  /** Why it cannot be read. */
  readonly Obstacle?: LayerObstacle | undefined;
}

/** One entry of an image index. */
export interface PlatformInspection {
  /** `os/arch[/variant]`; absent for what is no image, e.g. attestations. */
  readonly Platform?: string | undefined;
  readonly Digest: Digest;
  readonly MediaType: string;
  readonly Size: number;
  /** What kind of thing it is, where it is none for a platform. */
  readonly ArtifactType?: string | undefined;
  /** It is the one told of. */
  readonly Chosen: boolean;
}

/** An image with Docker's field names; those from `Annotations` on are additions. */
export interface ImageInspection {
  /** Digest of the config. */
  readonly Id: Digest;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly Parent: string;
  readonly Comment: string;
  readonly Created: string;
  readonly DockerVersion: string;
  readonly Author: string;
  readonly Architecture: string;
  readonly Variant?: string | undefined;
  readonly Os: string;
  readonly OsVersion?: string | undefined;
  /** Bytes of the regular files in all layers; absent where not all of them are known. */
  readonly Size?: number | undefined;
  readonly RootFS: { readonly Type: string; readonly Layers: readonly DiffId[] };
  readonly Metadata: { readonly LastTagTime: string };
  /** Of the manifest. */
  readonly Descriptor: Descriptor;
  readonly Config: ContainerConfig;
  readonly Annotations?: Readonly<Record<string, string>> | undefined;
  /** Version of these additions. */
  readonly SchemaVersion: 1;
  /** What the name stands for: an image index or the manifest. */
  readonly Target: Descriptor;
  /** Bytes of config and layers as the manifest names them: what a pull of all of it fetches. */
  readonly ContentSize: number;
  /** Lowest first. */
  readonly Layers: readonly LayerInspection[];
  readonly Base?: { readonly Name?: string; readonly Digest?: Digest; readonly Layers?: number } | undefined;
  /** Of an image index, all its entries. */
  readonly PlatformTable?: readonly PlatformInspection[] | undefined;
  readonly History: readonly HistoryEntry[];
  readonly Warnings?: readonly string[] | undefined;
}

/** How an image is inspected. */
export interface InspectOptions {
  /** Read layers whose sizes are not known; default as for histories. */
  readonly measure?: boolean | undefined;
  /** Where bases and Dockerfile lines are looked for. */
  readonly store?: Store | undefined;
}

/** Docker shows these fields of a config even where they are empty. */
const EMPTY_CONFIG: ContainerConfig = {
  ...{ Cmd: null, Entrypoint: null, Env: null, Labels: null, OnBuild: null, User: "", Volumes: null, WorkingDir: "" },
};

/**
 * Tells all about an opened image.
 * @throws NacreError as OpenedLayer.index, of layers that are to be read
 */
export async function inspectOpened(image: OpenedImage, options: InspectOptions = {}): Promise<ImageInspection> {
  const { config, manifest } = image;
  const warnings = [...image.warnings];
  const history = config.history ?? [];
  const layers = await inspectLayers(image, options, warnings);
  const sizes = layers.map(({ UnpackedSize }) => UnpackedSize);
  const size = sizes.reduce((sum, each) => (sum === undefined || each === undefined ? undefined : sum + each), 0);
  const base = findBase(image, options.store);
  const { mediaType, digest, size: bytes, platform } = image.descriptor;
  return {
    ...{ Id: image.id, RepoTags: tagsOf(image), RepoDigests: repoDigests(image, options.store), Parent: "" },
    Comment: history.at(-1)?.comment ?? "",
    // Docker's answer where a time is not known.
    Created: config.created ?? "0001-01-01T00:00:00Z",
    ...{ DockerVersion: "", Author: config.author ?? "", Architecture: config.architecture },
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    ...(config["os.version"] ? { OsVersion: config["os.version"] } : {}),
    ...(size === undefined ? {} : { Size: size }),
    RootFS: { Type: config.rootfs.type, Layers: config.rootfs.diff_ids ?? [] },
    Metadata: { LastTagTime: "0001-01-01T00:00:00Z" },
    Descriptor: { mediaType, digest, size: bytes, ...(platform ? { platform } : {}) },
    Config: sortedMaps({ ...EMPTY_CONFIG, ...config.config }),
    ...(manifest.annotations ? { Annotations: manifest.annotations } : {}),
    SchemaVersion: 1,
    Target: targetOf(image),
    ContentSize: manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config.size),
    Layers: layers,
    ...(base ? { Base: withoutEmpty({ Name: base.name, Digest: base.digest, Layers: base.layers }) } : {}),
    ...(image.index ? { PlatformTable: platformTable(image) } : {}),
    History: history,
    ...(warnings.length > 0 ? { Warnings: warnings } : {}),
  };
}

/** Go prints maps by their keys; the config's own order shows in its bytes. */
function sortedMaps(config: ContainerConfig): ContainerConfig {
  const sorted = <T>(map: Readonly<Record<string, T>> | null | undefined) =>
    map && Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
  const { Labels, ExposedPorts, Volumes } = config;
  return {
    ...{ ...config, Labels: sorted(Labels), Volumes: sorted(Volumes) },
    ...(ExposedPorts === undefined ? {} : { ExposedPorts: sorted(ExposedPorts) }),
  };
}

async function inspectLayers(
  image: OpenedImage,
  options: InspectOptions,
  warnings: string[],
): Promise<LayerInspection[]> {
  const measure = options.measure ?? image.place !== "registry";
  const lines = dockerfileLines(image, options.store);
  const layers: LayerInspection[] = [];
  for (const layer of image.layers) {
    const stats = await statsOf(layer, measure, warnings);
    const { digest, mediaType, size } = layer.descriptor;
    layers.push({
      ...{ Digest: digest, MediaType: mediaType, Size: size, DiffID: layer.diffId, ChainID: layer.chainId },
      ...(stats ? { Files: stats.files, UnpackedSize: stats.bytes } : {}),
      ...withoutEmpty({
        CreatedBy: layer.history?.created_by,
        DockerfileLine: lines.get(layer.diffId)?.line,
        Obstacle: layer.obstacle,
      }),
    });
  }
  return layers;
}

function withoutEmpty<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

/** Names with a digest are no tags. */
function tagsOf({ names }: OpenedImage): string[] {
  return [...names]
    .sort()
    .filter((name) => !name.includes("@"))
    .map(shortenName);
}

/**
 * `REPOSITORY@DIGEST` as Docker shows them: by what each name stands for in its registry, which of a multi-platform image is
 * the image index. What an archive holds may never have been in one.
 */
function repoDigests({ names, root, place }: OpenedImage, store: Store | undefined): string[] {
  if (place !== "store" && place !== "registry") return [];
  const stands = new Map<string, Descriptor>();
  if (place === "store") for (const { name, descriptor } of store?.listReferences() ?? []) stands.set(name, descriptor);
  const all = names.map((name) => {
    const stored = stands.get(name);
    const { digest } = (stored && (pulledFrom(stored) ?? stored)) ?? root;
    return `${repositoryOf(name)}@${digest}`;
  });
  return [...new Set(all)].sort();
}

function repositoryOf(name: string): string {
  return shortenName(name)
    .replace(/@.*$/s, "")
    .replace(/:[^:/]*$/, "");
}

function targetOf({ root: { mediaType, digest, size } }: OpenedImage): Descriptor {
  return { mediaType, digest, size };
}

function platformTable({ index, descriptor }: OpenedImage): PlatformInspection[] {
  return (index?.index.manifests ?? []).map(({ platform, digest, mediaType, size, artifactType, annotations }) => {
    const isImage = platform !== undefined && platform.os !== "unknown";
    const kind = artifactType ?? annotations?.["vnd.docker.reference.type"];
    return {
      ...(isImage ? { Platform: formatPlatform(platform) } : {}),
      ...{ Digest: digest, MediaType: mediaType, Size: size },
      ...(kind === undefined ? {} : { ArtifactType: kind }),
      Chosen: digest === descriptor.digest,
    };
  });
}
