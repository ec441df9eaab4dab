/**
 * Verifying an image, wherever it is. In comes what says where; every document and every blob behind it is read once. Out
 * comes all that is wrong or odd about it: what can be read is looked at even where something else is damaged. Nothing is
 * written, nothing is unpacked to disk.
 */
import type { ImageSource } from "../image/imageSource.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { Digest } from "../oci/digest.js";
import {
  type Descriptor,
  type ImageConfig,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseConfig,
  parseDocument,
} from "../oci/documents.js";
import { isIndexType } from "../oci/mediaTypes.js";
import { samePlatform } from "../oci/platform.js";
import { isEncryptedType, isForeignType } from "./layerFacts.js";
import { openSource } from "./openSource.js";
import type { ImagePlaceKind, ImageWorld, OpenOptions } from "./types.js";
import {
  isAttestation,
  isImageManifest,
  platformName,
  verifyConfig,
  verifyIndex,
  verifyLayerTypes,
  verifyManifest,
  verifyPlatform,
} from "./verifyDocuments.js";
import { isFinding, type LayerWork, readBytes, type VerifiedLayer, verifyLayer } from "./verifyLayer.js";
import { verifyStack } from "./verifyStack.js";
import { Findings, type VerifyPlace, type VerifyReport, type VerifyTotals } from "./verifyTypes.js";

/** Most image indexes that may lie within each other. */
const MAX_DEPTH = 4;
/** Most documents that are looked at: indexes may list each other's images over and over. */
const MAX_DOCUMENTS = 1000;

/** See verifyImage in analysis.ts. */
export async function verifyAnywhere(spec: string, world: ImageWorld, options: OpenOptions): Promise<VerifyReport> {
  let opened: Awaited<ReturnType<typeof openSource>>;
  try {
    opened = await openSource(spec, world, options);
  } catch (error) {
    // What cannot even be opened because of what it is, is no image that is sound.
    if (!isFinding(error)) throw error;
    const findings = new Findings();
    findings.add("error", "document", error.message);
    return report(spec, undefined, undefined, findings, NOTHING);
  }
  const { source, place } = opened;
  try {
    const verifier = new Verifier(source, place, world, options);
    await verifier.run();
    return report(source.shown, place, source.root.digest, verifier.findings, verifier.totals);
  } finally {
    await source.close();
  }
}

const NOTHING: VerifyTotals = { indexes: 0, manifests: 0, configs: 0, layers: 0, members: 0, bytes: 0, referrers: 0 };

function report(
  image: string,
  place: ImagePlaceKind | undefined,
  digest: Digest | undefined,
  findings: Findings,
  totals: VerifyTotals,
): VerifyReport {
  const known = { ...(place === undefined ? {} : { place }), ...(digest === undefined ? {} : { digest }) };
  return { schema: "nacre.verify/1", image, ...known, sound: findings.isSound, totals, findings: findings.all };
}

class Verifier {
  readonly findings = new Findings();
  readonly totals: { -readonly [K in keyof VerifyTotals]: VerifyTotals[K] } = { ...NOTHING };
  readonly #source: ImageSource;
  readonly #place: ImagePlaceKind;
  readonly #options: OpenOptions;
  readonly #work: LayerWork;
  readonly #seen = new Set<Digest>();
  /** Layers that images share are read once; the indexes are held while one image is looked at. */
  readonly #layers = new Map<string, VerifiedLayer>();

  constructor(source: ImageSource, place: ImagePlaceKind, world: ImageWorld, options: OpenOptions) {
    this.#source = source;
    this.#place = place;
    this.#options = options;
    const { emit, signal, now = Date.now } = world;
    this.#work = { source, findings: this.findings, now, emit, signal };
  }

  async run(): Promise<void> {
    await this.#document(this.#source.root, undefined, 0);
    await this.#referrers(this.#source.root.digest);
  }

  /** A manifest or index, and all below it. @param entry of the index that lists it */
  async #document(pointer: Descriptor, entry: Descriptor | undefined, depth: number): Promise<void> {
    if (this.#seen.has(pointer.digest)) return;
    this.#seen.add(pointer.digest);
    const platform = entry?.platform && !isAttestation(entry) ? { platform: platformName(entry.platform) } : {};
    const place: VerifyPlace = { digest: pointer.digest, ...platform };
    if (depth > MAX_DEPTH || this.#seen.size > MAX_DOCUMENTS) {
      this.findings.add(
        "error",
        "document",
        `more than ${depth > MAX_DEPTH ? `${MAX_DEPTH} image indexes lie within each other` : `${MAX_DOCUMENTS} documents belong to it`}`,
        place,
      );
      return;
    }
    try {
      const bytes = await this.#read(pointer, entry, place);
      if (bytes !== undefined) await this.#parsed(bytes, pointer, entry, place, depth);
    } catch (error) {
      if (!isFinding(error)) throw error;
      this.findings.add("error", "document", error.message, place);
    }
  }

  async #read(pointer: Descriptor, entry: Descriptor | undefined, place: VerifyPlace): Promise<Buffer | undefined> {
    const { digest, size } = pointer;
    if (size > MAX_MANIFEST_BYTES) {
      this.findings.add(
        "error",
        "document",
        `the document has ${size} bytes; at most ${MAX_MANIFEST_BYTES} are read`,
        place,
      );
      return undefined;
    }
    const bytes = await this.#source.document(pointer);
    if (bytes === undefined) {
      // Who pulls or saves one platform has the index of all of them.
      const isPartial = entry !== undefined && this.#place !== "registry";
      const message = isPartial
        ? `${digest} is not at hand: it was not looked at`
        : `the document ${digest} is not there`;
      this.findings.add(isPartial ? "note" : "error", isPartial ? "unchecked" : "missing", message, place);
      return undefined;
    }
    this.totals.bytes += bytes.length;
    if (bytes.length !== size)
      this.findings.add("error", "blob", `it has ${bytes.length} bytes; what points at it says ${size}`, place);
    return bytes;
  }

  async #parsed(bytes: Buffer, pointer: Descriptor, entry: Descriptor | undefined, place: VerifyPlace, depth: number) {
    const document = parseDocument(bytes, `the document ${pointer.digest}`);
    if (pointer.mediaType !== "" && (document.kind === "index") !== isIndexType(pointer.mediaType)) {
      this.findings.add("error", "media-type", `it is no ${pointer.mediaType}`, place);
    }
    if (document.kind === "index") {
      this.totals.indexes++;
      verifyIndex(document.index, place, this.findings);
      for (const child of document.index.manifests) {
        if (this.#isWanted(child)) await this.#document(child, child, depth + 1);
      }
    } else {
      this.totals.manifests++;
      verifyManifest(document.manifest, pointer, place, this.findings);
      await this.#manifest(document.manifest, entry, place);
    }
  }

  #isWanted({ platform, mediaType }: Descriptor): boolean {
    const { platform: wanted } = this.#options;
    if (wanted === undefined || isIndexType(mediaType)) return true;
    return platform !== undefined && samePlatform(platform, wanted);
  }

  async #manifest(manifest: Manifest, entry: Descriptor | undefined, place: VerifyPlace): Promise<void> {
    await this.#subject(manifest, place);
    const isAttested = entry !== undefined && isAttestation(entry);
    const config = await this.#config(manifest, place);
    if (!isImageManifest(manifest) && config === undefined) {
      const type = manifest.artifactType ?? manifest.config.mediaType;
      this.findings.add(
        "note",
        "unchecked",
        `it is no image but an artifact of the type ${type}: only bytes were compared`,
        place,
      );
    } else if (config !== undefined && !isAttested) {
      verifyConfig(config, manifest, this.#work.now(), place, this.findings);
      verifyLayerTypes(manifest.layers, place, this.findings);
      if (entry !== undefined) verifyPlatform(entry, config, place, this.findings);
    }
    await this.#layersOf(manifest, isAttested ? undefined : config, place);
  }

  /** The config, where it is one. */
  async #config(manifest: Manifest, place: VerifyPlace): Promise<ImageConfig | undefined> {
    const { config: descriptor } = manifest;
    const here = { ...place, digest: descriptor.digest };
    const before = this.findings.all.length;
    if (!(await this.#source.has(descriptor))) {
      this.findings.add("error", "missing", "the config is not there", here);
      return undefined;
    }
    if (descriptor.size > MAX_CONFIG_BYTES || !isImageManifest(manifest)) {
      const { bytes } = await readBytes(descriptor, here, this.#work);
      this.totals.bytes += bytes;
      if (isImageManifest(manifest))
        this.findings.add(
          "error",
          "document",
          `the config has ${descriptor.size} bytes; at most ${MAX_CONFIG_BYTES} are read`,
          here,
        );
      return undefined;
    }
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of this.#source.blob(descriptor).open(0)) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      this.totals.bytes += bytes.length;
      this.totals.configs++;
      return parseConfig(bytes, "the config");
    } catch (error) {
      if (!isFinding(error)) throw error;
      if (this.findings.all.length === before) this.findings.add("error", "document", error.message, here);
      return undefined;
    }
  }

  async #layersOf(manifest: Manifest, config: ImageConfig | undefined, place: VerifyPlace): Promise<void> {
    const diffIds = config?.rootfs.diff_ids ?? [];
    const isPaired = diffIds.length === manifest.layers.length;
    const indexes: LayerIndex[] = [];
    const placeOf = (layer: number): VerifyPlace => ({ ...place, digest: manifest.layers[layer]!.digest, layer });
    let isWhole = config !== undefined && isPaired;
    for (const [number, layer] of manifest.layers.entries()) {
      const { index } = await this.#layer(layer, isPaired ? diffIds[number] : undefined, placeOf(number));
      if (index === undefined) isWhole = false;
      // What lies on top of a layer that cannot be read says nothing that could be checked.
      if (isWhole && index !== undefined) indexes.push(index);
    }
    if (indexes.length > 0) verifyStack(indexes, placeOf, this.findings);
    const isOdd = ({ mediaType }: Descriptor) => isForeignType(mediaType) || isEncryptedType(mediaType);
    if (config !== undefined && isPaired && !isWhole && manifest.layers.some(isOdd)) {
      this.findings.add(
        "note",
        "unchecked",
        "hard links and whiteouts are not looked at above layers that cannot be read",
        place,
      );
    }
  }

  async #layer(descriptor: Descriptor, diffId: Digest | undefined, place: VerifyPlace): Promise<VerifiedLayer> {
    const key = `${descriptor.digest} ${diffId}`;
    const known = this.#layers.get(key);
    if (known !== undefined) return known;
    const layer = await verifyLayer(descriptor, diffId, place, this.#work);
    this.#layers.set(key, layer);
    if (layer.bytes > 0) this.totals.layers++;
    this.totals.members += layer.members;
    this.totals.bytes += layer.bytes;
    return layer;
  }

  /** What the manifest refers to need not be there, but what is there must be it. */
  async #subject({ subject }: Manifest, place: VerifyPlace): Promise<void> {
    if (subject === undefined) return;
    if (this.#seen.has(subject.digest)) return;
    const bytes = await this.#source.document(subject);
    if (bytes === undefined)
      this.findings.add("note", "referrer", `what it refers to, ${subject.digest}, is not there`, place);
    else if (bytes.length !== subject.size) {
      this.findings.add(
        "error",
        "referrer",
        `what it refers to has ${bytes.length} bytes and not ${subject.size}`,
        place,
      );
    }
  }

  /** Signatures, attestations and whatever else says that it belongs to the image. */
  async #referrers(subject: Digest): Promise<void> {
    const listed = await this.#source.referrers(subject);
    for (const one of listed.slice(0, MAX_DOCUMENTS)) {
      this.totals.referrers++;
      const place = { digest: one.digest };
      try {
        const bytes = await this.#source.document(one);
        if (bytes === undefined) {
          this.findings.add(
            "error",
            "missing",
            `${one.digest} is listed as referring to the image and is not there`,
            place,
          );
          continue;
        }
        const document = parseDocument(bytes, `the referrer ${one.digest}`);
        const said = document.kind === "manifest" ? document.manifest.subject?.digest : undefined;
        if (document.kind === "manifest" && said !== subject) {
          this.findings.add(
            "error",
            "referrer",
            `it is listed as referring to ${subject}, and refers to ${said ?? "nothing"}`,
            place,
          );
        }
        await this.#document(one, undefined, 1);
      } catch (error) {
        if (!isFinding(error)) throw error;
        this.findings.add("error", "referrer", error.message, place);
      }
    }
  }
}
