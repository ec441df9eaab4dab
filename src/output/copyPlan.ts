/**
 * What a copy is made of: from the root of an image through indexes and manifests down to every blob, and, where that is
 * wanted, what refers to it. Only manifests are read here; nothing is copied yet.
 */
import { choosePlatform } from "../image/image.js";
import type { ImageSource } from "../image/imageSource.js";
import { type Digest, hexOf } from "../oci/digest.js";
import { type Descriptor, type ImageIndex, type Manifest, parseDocument } from "../oci/documents.js";
import { isIndexType, isManifestType, OCI_INDEX, OCI_MANIFEST } from "../oci/mediaTypes.js";
import type { Platform } from "../oci/platform.js";
import { chooseImage } from "../registry/platformChoice.js";
import type { PushDocument } from "../registry/push.js";
import { NacreError } from "../support/errors.js";

/** Most image indexes that may lie within each other, and referrers of referrers. */
const MAX_DEPTH = 4;
/** Most manifests and indexes of one copy. */
const MAX_DOCUMENTS = 2000;
/** Endings of the tags under which cosign keeps what belongs to a manifest. */
const COSIGN_TAGS = [".sig", ".att", ".sbom"];

/** What is wanted of an image. */
export interface CopyWish {
  readonly platform: Platform;
  /** All of an index, not only the image for the platform. */
  readonly all: boolean;
  /** Signatures, attestations and whatever else refers to the image. */
  readonly referrers: boolean;
}

/** A manifest or index with all that lies below it. */
export interface CopyTree {
  readonly root: Descriptor;
  /** Children first; the last one is the root. */
  readonly documents: readonly PushDocument[];
  /** Of a single manifest. */
  readonly manifest: Manifest | undefined;
}

/** All that is to be copied. */
export interface CopyPlan {
  readonly image: CopyTree;
  /** Configs, layers and what else there is; each digest once, the biggest first. */
  readonly blobs: readonly Descriptor[];
  /** What refers to the image or a part of it; what others refer to comes before them. */
  readonly referrers: readonly CopyTree[];
  /** What has a tag made of the image's digest. */
  readonly tagged: readonly (CopyTree & { readonly tag: string })[];
}

/**
 * Reads all manifests of a copy.
 * @throws NacreError IMAGE_NOT_FOUND (no image for the platform, a manifest that is not there), CONTENT_INVALID,
 *   LIMIT_EXCEEDED, what the source throws
 */
export async function planCopy(source: ImageSource, wish: CopyWish): Promise<CopyPlan> {
  const reader = new PlanReader(source);
  const root = wish.all ? source.root : await reader.choose(source.root, wish.platform);
  const image = await reader.tree(root);
  const referrers: CopyTree[] = [];
  const tagged: CopyPlan["tagged"][number][] = [];
  if (wish.referrers) {
    for (const { digest } of image.documents) {
      await reader.referrers(digest, referrers, 0);
      tagged.push(...(await reader.tagged(digest)));
    }
  }
  const blobs = [...reader.blobs.values()].sort((a, b) => b.size - a.size);
  return { image, blobs, referrers, tagged };
}

class PlanReader {
  readonly blobs = new Map<Digest, Descriptor>();
  readonly #source: ImageSource;
  readonly #listed = new Set<Digest>();
  #documents = 0;

  constructor(source: ImageSource) {
    this.#source = source;
  }

  /** The one image for a platform. */
  async choose(root: Descriptor, platform: Platform): Promise<Descriptor> {
    let here = root;
    for (let depth = 0; isIndexType(here.mediaType); depth++) {
      assertDepth(depth);
      const { document } = await this.#read(here);
      if (document.kind === "manifest") break;
      here = this.#chooseIn(document.index, platform, here);
    }
    return here;
  }

  async tree(root: Descriptor): Promise<CopyTree> {
    const documents = new Map<Digest, PushDocument>();
    const manifest = await this.#visit(root, documents, 0);
    return { root, documents: [...documents.values()], manifest };
  }

  async referrers(digest: Digest, into: CopyTree[], depth: number): Promise<void> {
    assertDepth(depth);
    for (const { mediaType, digest: of, size, artifactType, annotations } of await this.#source.referrers(digest)) {
      if (this.#listed.has(of)) continue;
      this.#listed.add(of);
      const described = { ...(artifactType ? { artifactType } : {}), ...(annotations ? { annotations } : {}) };
      into.push(await this.tree({ mediaType, digest: of, size, ...described }));
      await this.referrers(of, into, depth + 1);
    }
  }

  async tagged(digest: Digest): Promise<CopyPlan["tagged"][number][]> {
    const found: CopyPlan["tagged"][number][] = [];
    for (const ending of COSIGN_TAGS) {
      const tag = `sha256-${hexOf(digest)}${ending}`;
      const root = await this.#source.tagged(tag);
      if (root !== undefined) found.push({ ...(await this.tree(root)), tag });
    }
    return found;
  }

  /** @returns the manifest, unless it is an index */
  async #visit(descriptor: Descriptor, into: Map<Digest, PushDocument>, depth: number): Promise<Manifest | undefined> {
    assertDepth(depth);
    const { digest } = descriptor;
    const { bytes, document } = await this.#read(descriptor);
    if (document.kind === "manifest") {
      await this.#parts(document.manifest, digest);
      const { mediaType = OCI_MANIFEST, subject } = document.manifest;
      into.set(digest, { mediaType, digest, bytes, subject: subject?.digest });
      return document.manifest;
    }
    for (const entry of document.index.manifests) {
      const isDocument = isManifestType(entry.mediaType) || isIndexType(entry.mediaType);
      if (!isDocument) this.#addBlob(entry, digest);
      else if (!into.has(entry.digest)) await this.#visit(entry, into, depth + 1);
    }
    into.set(digest, { mediaType: document.index.mediaType ?? OCI_INDEX, digest, bytes });
    return undefined;
  }

  async #parts({ config, layers }: Manifest, digest: Digest): Promise<void> {
    for (const part of [config, ...layers]) {
      const isForeign = part.urls !== undefined || /\.nondistributable\.|\.foreign\./.test(part.mediaType);
      if (isForeign && !(await this.#source.has(part))) throw foreign(part, this.#source);
      // Whatever addresses a manifest names: what is copied comes from the source alone.
      const { urls: _, ...own } = part;
      this.#addBlob(own, digest);
    }
  }

  #addBlob(blob: Descriptor, digest: Digest): void {
    const known = this.blobs.get(blob.digest);
    if (known !== undefined && known.size !== blob.size) {
      throw new NacreError(
        "CONTENT_INVALID",
        `the manifest ${digest} of ${this.#source.shown} lists ${blob.digest} with another size than before`,
        { hint: "the image is damaged: push it again" },
      );
    }
    this.blobs.set(blob.digest, known ?? blob);
  }

  async #read(descriptor: Descriptor) {
    if (++this.#documents > MAX_DOCUMENTS) {
      throw new NacreError("LIMIT_EXCEEDED", `${this.#source.shown} is made of more than ${MAX_DOCUMENTS} manifests`, {
        hint: "copy one platform of it",
      });
    }
    const { digest, size, mediaType } = descriptor;
    const bytes = await this.#source.document(descriptor);
    if (bytes === undefined) {
      throw new NacreError(
        "IMAGE_NOT_FOUND",
        `${this.#source.shown} does not have the manifest ${digest} that it lists`,
        {
          hint: "copy one platform with --platform, or push the whole image there again",
          facts: { digest },
        },
      );
    }
    const document = parseDocument(bytes, `the manifest ${digest} of ${this.#source.shown}`);
    const fits = document.kind === "index" ? isIndexType(mediaType) : isManifestType(mediaType);
    if (bytes.length === size && fits) return { bytes, document };
    throw new NacreError("CONTENT_INVALID", `the manifest ${digest} is not what ${this.#source.shown} says it is`, {
      hint: "do not trust this image",
    });
  }

  #chooseIn(index: ImageIndex, platform: Platform, descriptor: Descriptor): Descriptor {
    // An index of a single image without a platform means that one.
    const only = index.manifests.length === 1 && index.manifests[0]!.platform === undefined;
    if (only) return choosePlatform(index, undefined, descriptor.digest);
    return chooseImage(index, platform, descriptor, this.#source.shown);
  }
}

function assertDepth(depth: number): void {
  if (depth <= MAX_DEPTH) return;
  throw new NacreError("CONTENT_INVALID", `an image nests image indexes or referrers more than ${MAX_DEPTH} deep`, {
    hint: "do not trust this image",
  });
}

function foreign({ digest, urls }: Descriptor, { shown }: ImageSource): NacreError {
  const where = urls?.[0] === undefined ? "" : `, kept at ${urls[0].slice(0, 200)}`;
  return new NacreError(
    "CONTENT_INVALID",
    `${shown} has a layer that registries must not distribute: ${digest}${where}`,
    {
      hint: "such an image cannot be copied: its users fetch that layer from where it is kept",
      facts: { digest },
    },
  );
}
