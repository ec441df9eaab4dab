/** Everything that is known of one image, in the fields of `docker image inspect` and some more. */
import { type DiffId, type Digest, digestOfHex } from "../oci/digest.js";
import type { ContainerConfig, Descriptor, HistoryEntry } from "../oci/documents.js";
import { MAX_MANIFEST_BYTES } from "../oci/documents.js";
import type { Platform } from "../oci/platform.js";
import { shortenName } from "../oci/reference.js";
import type { Store } from "../store/store.js";
import { sha256Hex } from "../support/hash.js";
import { findImage, layerContent, loadPreferred } from "./catalog.js";
import type { Image } from "./image.js";

/** A layer as {@link inspectImage} tells it. */
export interface LayerInspection {
  /** Of the blob as the manifest names it. */
  readonly Digest: Digest;
  readonly MediaType: string;
  /** Bytes of that blob. */
  readonly Size: number;
  readonly DiffID: DiffId;
  /** Identifies the layer with all below it (image-spec, config.md, "Layer ChainID"). */
  readonly ChainID: Digest;
  /** Regular files, and their bytes. */
  readonly Files: number;
  readonly UnpackedSize: number;
  /** The instruction that made it, from the history. */
  readonly CreatedBy?: string | undefined;
}

/** An image with Docker's field names. `Layers`, `History` and `Annotations` are additions. */
export interface ImageInspection {
  /** Digest of the config. */
  readonly Id: Digest;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly Comment: string;
  readonly Created: string;
  readonly Author: string;
  readonly Config: ContainerConfig;
  readonly Architecture: string;
  readonly Variant?: string | undefined;
  readonly Os: string;
  readonly OsVersion?: string | undefined;
  /** Bytes of the regular files in all layers. */
  readonly Size: number;
  readonly RootFS: { readonly Type: string; readonly Layers: readonly DiffId[] };
  readonly Metadata: { readonly LastTagTime: string };
  /** Of the manifest. */
  readonly Descriptor: Descriptor;
  readonly Annotations?: Readonly<Record<string, string>> | undefined;
  readonly Layers: readonly LayerInspection[];
  readonly History: readonly HistoryEntry[];
}

/**
 * Tells all about one image of the store.
 * @param text as for findImage
 * @param platform which image of an image index; default: this machine's, else the first
 * @throws NacreError IMAGE_NOT_FOUND, CONTENT_INVALID, USAGE
 */
export async function inspectImage(store: Store, text: string, platform?: Platform): Promise<ImageInspection> {
  const found = findImage(store, text);
  const image = loadPreferred(store, found.descriptor, platform);
  const { config } = image;
  const layers = await inspectLayers(store, image);
  const history = config.history ?? [];
  return {
    Id: image.manifest.config.digest,
    RepoTags: found.names.map(shortenName),
    RepoDigests: repoDigests(found.names, found.descriptor.digest),
    Comment: history.at(-1)?.comment ?? "",
    // Docker's answer where a time is not known.
    Created: config.created ?? "0001-01-01T00:00:00Z",
    Author: config.author ?? "",
    Config: config.config ?? {},
    Architecture: config.architecture,
    Variant: config.variant,
    Os: config.os,
    OsVersion: config["os.version"],
    Size: layers.reduce((sum, layer) => sum + layer.UnpackedSize, 0),
    RootFS: { Type: config.rootfs.type, Layers: config.rootfs.diff_ids ?? [] },
    Metadata: { LastTagTime: "0001-01-01T00:00:00Z" },
    Descriptor: image.descriptor,
    Annotations: image.manifest.annotations,
    Layers: layers,
    History: history,
  };
}

/**
 * The very bytes of an image's manifest (or of the image index, if the name is one's) or config.
 * @throws NacreError IMAGE_NOT_FOUND, CONTENT_INVALID, USAGE
 */
export function rawDocument(store: Store, text: string, which: "manifest" | "config", platform?: Platform): Buffer {
  const { descriptor } = findImage(store, text);
  if (which === "config") return loadPreferred(store, descriptor, platform).configBytes;
  const { digest } = platform ? loadPreferred(store, descriptor, platform).descriptor : descriptor;
  return store.readBlob(digest, MAX_MANIFEST_BYTES);
}

async function inspectLayers(store: Store, image: Image): Promise<LayerInspection[]> {
  const makers = (image.config.history ?? []).filter((entry) => !entry.empty_layer);
  const layers: LayerInspection[] = [];
  let chain: Digest | undefined;
  for (const [i, layer] of image.layers.entries()) {
    chain = chain === undefined ? layer.diffId : digestOfHex(sha256Hex(`${chain} ${layer.diffId}`));
    const { digest, mediaType, size } = layer.descriptor;
    const content = await layerContent(store, layer);
    layers.push({
      Digest: digest,
      MediaType: mediaType,
      Size: size,
      DiffID: layer.diffId,
      ChainID: chain,
      Files: content.files,
      UnpackedSize: content.size,
      // A history that does not match the layers says nothing about any of them.
      CreatedBy: makers.length === image.layers.length ? makers[i]?.created_by : undefined,
    });
  }
  return layers;
}

function repoDigests(names: readonly string[], digest: Digest): string[] {
  const repositories = new Set(names.map((name) => shortenName(name).replace(/:[^:/]*$/, "")));
  return [...repositories].map((repository) => `${repository}@${digest}`);
}
