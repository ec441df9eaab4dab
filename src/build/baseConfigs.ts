/** Looking at base images without taking anything into the store: for questions that build nothing. */
import { existsSync } from "node:fs";
import { choosePlatform, type Image, imageOf, loadImage } from "../image/image.js";
import { hexOf } from "../oci/digest.js";
import {
  type Descriptor,
  type ImageConfig,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  parseDocument,
} from "../oci/documents.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import { formatReference, parseReference, type Reference } from "../oci/reference.js";
import type { KnownBase, WantedBase } from "../plan/graph.js";
import { Store } from "../store/store.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { isFiles, type NamedContext } from "./contextSource.js";

/** Most image indexes that may lie within each other. */
const MAX_INDEX_DEPTH = 4;

/** Where configs are found that the store has not; see RemoteConfigs. */
export interface OtherConfigs {
  /** @throws NacreError IMAGE_NOT_FOUND, NETWORK, DENIED, … */
  find(reference: Reference, platform: Platform): Promise<ImageConfig>;
  close(): Promise<void>;
}

/** Finds configs in the store, which is opened for reading only, in OCI layouts, and elsewhere if that is wanted. */
export class BaseConfigs {
  readonly #contexts: ReadonlyMap<string, NamedContext>;
  readonly #store: Store | undefined;
  readonly #others: OtherConfigs | undefined;

  private constructor(contexts: ReadonlyMap<string, NamedContext>, store: Store | undefined, others?: OtherConfigs) {
    this.#contexts = contexts;
    this.#store = store;
    this.#others = others;
  }

  /**
   * @param path directory of the store; it need not be there
   * @param others are asked for what the store has not, and closed with this
   */
  static async open(
    path: string,
    contexts: ReadonlyMap<string, NamedContext>,
    others?: OtherConfigs,
  ): Promise<BaseConfigs> {
    const store = existsSync(path) ? await Store.open(path, { readOnly: true }) : undefined;
    return new BaseConfigs(contexts, store, others);
  }

  async close(): Promise<void> {
    await this.#store?.close();
    await this.#others?.close();
  }

  /**
   * The config of a base.
   * @throws NacreError BASE_NOT_FOUND, IMAGE_NOT_FOUND, CONTENT_INVALID, with the place of the FROM or COPY
   */
  async find(wanted: WantedBase): Promise<KnownBase> {
    const context = wanted.context === undefined ? undefined : this.#contexts.get(wanted.context);
    if (wanted.context !== undefined && context && isFiles(context)) return { kind: "files", context: wanted.context };
    try {
      return { kind: "image", config: await this.#config(wanted, context) };
    } catch (error) {
      throw isNacreError(error) ? error.at(wanted.place) : error;
    }
  }

  async #config(wanted: WantedBase, context: NamedContext | undefined): Promise<ImageConfig> {
    if (context?.kind === "layout") return (await imageInLayout(context.path, context.name, wanted.platform)).config;
    const reference = context?.kind === "image" ? context.reference : wanted.reference;
    const parsed = parseReference(reference);
    const { digest } = parsed;
    const named = this.#store?.resolveReference(formatReference(digest ? { ...parsed, tag: undefined } : parsed));
    if (this.#store && named) return loadImage(this.#store, named, wanted.platform).config;
    if (this.#store && digest && this.#store.hasBlob(digest)) {
      return loadImage(this.#store, { mediaType: "", digest, size: 0 }, wanted.platform).config;
    }
    const unknown = await this.#elsewhere(parsed, wanted.platform);
    if (unknown.config) return unknown.config;
    const load = `load it (nacre load FILE), or give it with --build-context ${reference}=oci-layout://DIR`;
    throw new NacreError(
      "BASE_NOT_FOUND",
      `${reference}: no such image in the store for ${formatPlatform(wanted.platform)}${unknown.why ?? ""}`,
      { hint: wanted.hint ? `${wanted.hint} Otherwise ${load}` : load },
    );
  }

  async #elsewhere(reference: Reference, platform: Platform): Promise<{ config?: ImageConfig; why?: string }> {
    if (!this.#others) return {};
    try {
      return { config: await this.#others.find(reference, platform) };
    } catch (error) {
      if (!isNacreError(error) || error.code === "CANCELLED") throw error;
      return { why: `, and it cannot be looked up: ${error.message}` };
    }
  }
}

/**
 * An image in an OCI layout; nothing of it is taken into a store.
 * @param name a tag, a name or a digest; default: the only image, or `latest`
 * @throws NacreError BASE_NOT_FOUND, IMAGE_NOT_FOUND, CONTENT_INVALID
 */
export async function imageInLayout(path: string, name: string | undefined, platform: Platform): Promise<Image> {
  const { openArchive } = await import("../archive/read.js");
  const archive = await openArchive(path);
  try {
    const read = (digest: Descriptor["digest"], limit: number): Buffer =>
      archive.files.read(`blobs/sha256/${hexOf(digest)}`, limit);
    const matching = archive.images.filter(({ names, tags, origin }) => {
      if (name === undefined) return true;
      if (origin.kind === "oci" && origin.candidates.some(({ digest }) => digest === name)) return true;
      return tags.includes(name) || names.includes(name);
    });
    const image = matching.find(({ tags }) => tags.includes("latest")) ?? matching[0];
    if (image?.origin.kind !== "oci") {
      throw new NacreError("BASE_NOT_FOUND", `the OCI layout ${path} holds no image ${name ?? ""}`.trimEnd());
    }
    const { candidates } = image.origin;
    let here = candidates[0]!;
    if (candidates.length > 1)
      here = choosePlatform({ schemaVersion: 2, manifests: candidates }, platform, here.digest);
    for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth++) {
      const document = parseDocument(read(here.digest, MAX_MANIFEST_BYTES), `${here.digest} of ${path}`);
      if (document.kind === "manifest") {
        const { digest } = document.manifest.config;
        return imageOf(here, document.manifest, read(digest, MAX_CONFIG_BYTES), `config ${digest} of ${path}`);
      }
      here = choosePlatform(document.index, platform, here.digest);
    }
    throw new NacreError("CONTENT_INVALID", `${path} nests image indexes more than ${MAX_INDEX_DEPTH} deep`);
  } finally {
    archive.close();
  }
}
