/** Looking up what a plan stands on: images in the store, and what `--build-context` names. */

import { type Image, loadImage } from "../image/image.js";
import type { Descriptor } from "../oci/documents.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import { familiarName, formatReference, parseReference } from "../oci/reference.js";
import type { KnownBase, WantedBase } from "../plan/graph.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import type { NamedContext } from "./contextSource.js";
import type { Session } from "./session.js";

/** The bases of one build, looked up as the planner asks for them. */
export class Bases {
  readonly #session: Session;
  readonly #contexts: ReadonlyMap<string, NamedContext>;
  readonly #images = new Map<string, Image>();
  readonly #known = new Map<string, KnownBase>();

  constructor(session: Session, contexts: ReadonlyMap<string, NamedContext>) {
    this.#session = session;
    this.#contexts = contexts;
  }

  /** Answers so far, for the planner. */
  get known(): ReadonlyMap<string, KnownBase> {
    return this.#known;
  }

  /** The image of a planned base. */
  image(key: string): Image {
    const image = this.#images.get(key);
    if (image === undefined) throw new NacreError("INTERNAL", `the base ${key} was planned but not looked up`);
    return image;
  }

  /**
   * Looks a base up.
   * @throws NacreError BASE_NOT_FOUND, with the place of the FROM or COPY
   */
  async resolve(wanted: WantedBase): Promise<void> {
    const name = wanted.context;
    const context = name === undefined ? undefined : this.#contexts.get(name);
    if (name !== undefined && context && isFiles(context)) {
      this.#known.set(wanted.key, { kind: "files", context: name });
      return;
    }
    const { store } = this.#session;
    const image = await this.#session
      .vertex(
        `internal:${wanted.key}`,
        `[${wanted.shownPlatform ? `${wanted.shownPlatform} ` : ""}internal] load metadata for ${wanted.reference}`,
        async () => {
          const descriptor = await this.#find(wanted, context);
          return loadImage(store, descriptor, wanted.platform);
        },
      )
      .catch((error: unknown) => {
        throw isNacreError(error) ? error.at(wanted.place) : error;
      });
    this.#session.lease.protect([image.descriptor.digest]);
    this.#checkWhole(wanted, image);
    this.#images.set(wanted.key, image);
    this.#known.set(wanted.key, { kind: "image", config: image.config });
  }

  /** Protected first, checked then: garbage collection may have been at work in between. */
  #checkWhole(wanted: WantedBase, image: Image): void {
    const [flaw] = this.#session.store.flawsOf(image.descriptor);
    if (flaw === undefined) return;
    throw new NacreError("BASE_NOT_FOUND", `${wanted.reference} is not whole in the store: ${flaw.message}`, {
      hint: "load the image again, and see what else is damaged with: nacre check",
      place: wanted.place,
    });
  }

  async #find(wanted: WantedBase, context: NamedContext | undefined): Promise<Descriptor> {
    if (context?.kind === "layout") return this.#fromLayout(context.path, context.name, wanted.platform);
    const reference = context?.kind === "image" ? context.reference : wanted.reference;
    const descriptor = this.#session.store.resolveReference(formatReference(withoutTagBesideDigest(reference)));
    if (descriptor) return descriptor;
    const byDigest = parseReference(reference).digest;
    if (byDigest && this.#session.store.hasBlob(byDigest)) return descriptorOf(this.#session, byDigest);
    throw this.#notFound(wanted, reference);
  }

  async #fromLayout(path: string, name: string | undefined, platform: Platform): Promise<Descriptor> {
    const [{ openArchive }, { importArchive }] = await Promise.all([
      import("../archive/read.js"),
      import("../archive/import.js"),
    ]);
    const source = await openArchive(path);
    try {
      const names = name === undefined ? undefined : [name];
      const imported = await importArchive(this.#session.store, source, { names, platform });
      const wanted = imported.find((image) => image.tags.includes("latest")) ?? imported[0];
      if (wanted === undefined) throw new NacreError("BASE_NOT_FOUND", `the OCI layout ${path} holds no image`);
      return wanted.descriptor;
    } finally {
      source.close();
    }
  }

  #notFound(wanted: WantedBase, reference: string): NacreError {
    const { store } = this.#session;
    const names = store.listReferences().map(({ name }) => familiarName(parseReference(name)));
    const near = nearest(reference, names);
    const hint = wanted.hint ?? (near ? `did you mean ${near}?` : undefined);
    const load = `load it first (nacre load FILE), or give it with --build-context ${reference}=oci-layout://DIR`;
    return new NacreError(
      "BASE_NOT_FOUND",
      `${reference}: no such image in the store for ${formatPlatform(wanted.platform)}`,
      {
        hint: hint ? `${hint} Otherwise ${load}` : load,
        place: wanted.place,
      },
    );
  }
}

/** True for contexts that are files, not an image. */
function isFiles({ kind }: NamedContext): boolean {
  return kind === "directory" || kind === "git" || kind === "http";
}

/** Tag plus digest: the digest decides. */
function withoutTagBesideDigest(text: string): ReturnType<typeof parseReference> {
  const reference = parseReference(text);
  return reference.digest ? { ...reference, tag: undefined } : reference;
}

function descriptorOf(session: Session, digest: Descriptor["digest"]): Descriptor {
  return { mediaType: "", digest, size: session.store.blobSize(digest) ?? 0 };
}

/** Adds the place of an instruction to a failure. */
export function placed<T>(place: Parameters<NacreError["at"]>[0], work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw isNacreError(error) ? error.at(place) : error;
  });
}
