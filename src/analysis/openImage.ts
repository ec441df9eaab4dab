/** Opening an image, wherever it is: manifest and config are read and checked, layers are not touched. */
import { choosePlatform, pairLayers } from "../image/image.js";
import type { ImageSource } from "../image/imageSource.js";
import { pulledFrom } from "../image/pulledFrom.js";
import { shortDigest } from "../oci/digest.js";
import {
  type Descriptor,
  type Document,
  type ImageConfig,
  type ImageIndex,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseConfig,
  parseDocument,
} from "../oci/documents.js";
import { DOCKER_CONFIG, isIndexType, OCI_CONFIG, OCI_MANIFEST } from "../oci/mediaTypes.js";
import { formatPlatform, localPlatform, normalize, type Platform } from "../oci/platform.js";
import { chooseImage, runsOn } from "../registry/platformChoice.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { mapHistory } from "./historyRows.js";
import { chainIds } from "./layerFacts.js";
import { SourceLayer } from "./openedLayer.js";
import { type OpenedSource, openSource } from "./openSource.js";
import type { ImageWorld, OpenedImage, OpenedIndex, OpenOptions } from "./types.js";

/** Most image indexes that may lie within each other. */
const MAX_INDEX_DEPTH = 4;

/** See openImage in analysis.ts. */
export async function openAnywhere(spec: string, world: ImageWorld, options: OpenOptions): Promise<OpenedImage> {
  const opened = await openSource(spec, world, options);
  try {
    return await describe(opened, world, options);
  } catch (error) {
    await opened.source.close();
    throw error;
  }
}

/**
 * The very bytes of what a name stands for (manifest or image index), of the manifest of a platform, or of the config.
 * @throws NacreError as openImage
 */
export async function rawBytes(
  spec: string,
  which: "manifest" | "config",
  world: ImageWorld,
  options: OpenOptions,
): Promise<Buffer> {
  const { source } = await openSource(spec, world, options);
  try {
    if (which === "manifest" && options.platform === undefined) return await requireDocument(source, source.root);
    const { manifest, bytes } = await findManifest(source, options.platform);
    return which === "manifest" ? bytes : await readConfig(source, manifest.config);
  } finally {
    await source.close();
  }
}

async function describe(opened: OpenedSource, world: ImageWorld, options: OpenOptions): Promise<OpenedImage> {
  const { source, place } = opened;
  const found = await findManifest(source, options.platform);
  const { manifest, descriptor } = found;
  const configBytes = await readConfig(source, manifest.config);
  const what = `config of ${source.shown}`;
  const config = imageConfig(manifest, configBytes, what, source.shown);
  const { rows, warning } = mapHistory(config.history, manifest.layers.length);
  const pairs = pairLayers(manifest, config, what);
  const chain = chainIds(pairs.map(({ diffId }) => diffId));
  const layers = pairs.map(({ descriptor: layer, diffId }, number) => {
    const history = warning === undefined ? rows.find((row) => row.layer === number)?.entry : undefined;
    const parts = { number, descriptor: layer, diffId, chainId: chain[number]!, history };
    const { toc = "verified" } = options;
    return new SourceLayer({ ...parts, isRemote: place === "registry", tocTrust: toc }, source, world);
  });
  const mismatch = platformMismatch(config, options.platform, source.shown);
  return {
    ...{ shown: source.shown, place, names: source.names },
    root: pulledFrom({ ...source.root, annotations: source.annotations }) ?? source.root,
    ...{ index: found.index, descriptor, manifest, manifestBytes: found.bytes, config, configBytes },
    id: manifest.config.digest,
    platform: normalize({ os: config.os, architecture: config.architecture, variant: config.variant }),
    ...{ layers, history: rows },
    warnings: [warning, mismatch].filter((text) => text !== undefined),
    close: () => source.close(),
  };
}

interface FoundManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly bytes: Buffer;
  /** The outermost one on the way. */
  readonly index?: OpenedIndex | undefined;
}

async function findManifest(source: ImageSource, platform: Platform | undefined): Promise<FoundManifest> {
  let here = source.root;
  let index: OpenedIndex | undefined;
  for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth++) {
    const bytes = await requireDocument(source, here);
    const document: Document = parseDocument(bytes, `manifest ${shortDigest(here.digest)} of ${source.shown}`);
    assertKind(document, here, source.shown);
    if (document.kind === "manifest") {
      const mediaType = here.mediaType || document.manifest.mediaType || OCI_MANIFEST;
      return { descriptor: { ...here, mediaType }, manifest: document.manifest, bytes, index };
    }
    index ??= { descriptor: here, bytes, index: document.index };
    here = choose(document.index, platform, here, source.shown);
  }
  throw new NacreError("CONTENT_INVALID", `${source.shown} nests image indexes more than ${MAX_INDEX_DEPTH} deep`);
}

/** The platform that was asked for; if none was, this machine's, else the first. */
function choose(index: ImageIndex, platform: Platform | undefined, here: Descriptor, name: string): Descriptor {
  if (platform !== undefined) return chooseImage(index, platform, here, name);
  try {
    return chooseImage(index, localPlatform(), here, name);
  } catch (error) {
    if (!isNacreError(error) || error.code !== "IMAGE_NOT_FOUND") throw error;
    return choosePlatform(index, undefined, here.digest);
  }
}

/** An index must not be taken for a manifest, nor the other way round, because of what points at it. */
function assertKind({ kind }: Document, { mediaType, digest }: Descriptor, name: string): void {
  if (mediaType === "" || (kind === "index") === isIndexType(mediaType)) return;
  throw new NacreError("CONTENT_INVALID", `${digest} of ${name} is of another type than ${mediaType}`, {
    hint: "do not trust this image",
  });
}

async function requireDocument(source: ImageSource, descriptor: Descriptor): Promise<Buffer> {
  if (descriptor.size > MAX_MANIFEST_BYTES) throw tooLarge("manifest", descriptor, source.shown, MAX_MANIFEST_BYTES);
  const bytes = await source.document(descriptor);
  if (bytes !== undefined) return bytes;
  throw new NacreError("CONTENT_INVALID", `${source.shown} lacks the manifest ${descriptor.digest}`, {
    hint: "the image is incomplete; get it again from where it came from",
    facts: { digest: descriptor.digest },
  });
}

async function readConfig(source: ImageSource, descriptor: Descriptor): Promise<Buffer> {
  if (descriptor.size > MAX_CONFIG_BYTES) throw tooLarge("config", descriptor, source.shown, MAX_CONFIG_BYTES);
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.blob(descriptor).open(0)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function tooLarge(kind: string, { digest, size }: Descriptor, name: string, limit: number): NacreError {
  return new NacreError("LIMIT_EXCEEDED", `the ${kind} ${digest} of ${name} has ${size} bytes`, {
    hint: `at most ${limit} are read`,
  });
}

/** The config, whatever type the manifest gives it: old tools wrote odd ones. What cannot be read as one belongs to an artifact. */
function imageConfig({ config, artifactType }: Manifest, bytes: Buffer, what: string, name: string): ImageConfig {
  if (config.mediaType === OCI_CONFIG || config.mediaType === DOCKER_CONFIG) return parseConfig(bytes, what);
  try {
    return parseConfig(bytes, what);
  } catch (error) {
    const type = artifactType ?? config.mediaType;
    throw new NacreError("CONTENT_INVALID", `${name} is no container image but an artifact of the type ${type}`, {
      ...{ hint: "its manifest is shown by: nacre inspect --raw manifest", facts: { type }, cause: error },
    });
  }
}

function platformMismatch(config: ImageConfig, wanted: Platform | undefined, name: string): string | undefined {
  if (wanted === undefined || config.os === "" || runsOn(config, wanted)) return undefined;
  const { os, architecture, variant } = config;
  return `${name} is for ${formatPlatform({ os, architecture, variant })} and not for ${formatPlatform(wanted)}`;
}
